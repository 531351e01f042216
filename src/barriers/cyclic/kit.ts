import { isQuorateError } from '../../errors.js';
import { Backoff, sleep } from '../../runtime/index.js';
import type { Client, Session } from '../../session/index.js';
import type { TxnReply, TxnRequest } from '../../store/index.js';
import type { CyclicKeys } from './cyclic-keys.js';
import type { CyclicSettings } from './options.js';

/** What all parts of one cyclic barrier have in common. */
export interface CyclicKit {
  readonly client: Client;
  readonly name: string;
  readonly keys: CyclicKeys;
  readonly settings: CyclicSettings;
}

/**
 * Sends a transaction that is guarded by what it changes, until it is known what came of it: one that was applied before
 * is refused. Undefined once the session is over or the client closed. Never rejects.
 */
export async function insist(
  { client }: Pick<CyclicKit, 'client'>,
  { signal }: Session,
  request: TxnRequest,
): Promise<TxnReply | undefined> {
  const backoff = new Backoff(client.runtime, { firstMs: 10, longestMs: 1_000 });
  while (!signal.aborted) {
    try {
      return await client.store.txn(request, { signal, timeoutMs: Number.POSITIVE_INFINITY });
    } catch (error) {
      if (isQuorateError(error, 'closed')) return undefined;
      await sleep(client.runtime, backoff.nextMs(), { signal }).catch(() => {});
    }
  }
  return undefined;
}
