import { isPassingRead, isQuorateError } from '../../errors.js';
import { Backoff, sleep } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import type { KeyValue, RangeOp, TxnReply, TxnRequest } from '../../store/index.js';

/** What was found by one of several reads that saw one state. */
export interface Found {
  readonly kvs: readonly KeyValue[];
  readonly more: boolean;
}

/**
 * Reads all of it in one request, of one state. Tries again while the store is away, until the signal fires. Rejects with what
 * trying again does not mend: `compacted`, where a past state is asked for that is no more, and `permission-denied` and the like.
 */
export async function readAll(
  client: Client,
  ops: readonly RangeOp[],
  signal: AbortSignal,
): Promise<{ readonly revision: number; readonly found: readonly Found[] }> {
  const [only, second] = ops;
  if (only !== undefined && second === undefined) {
    const { revision, kvs, more } = await untilAnswered(client, signal, () =>
      client.store.range(only, { signal }),
    );
    return { revision, found: [{ kvs, more }] };
  }
  const reply = await readTxn(client, { compare: [], success: ops, failure: [] }, signal);
  return { revision: reply.revision, found: foundIn(reply) };
}

/** The same for a transaction that only reads. */
export function readTxn(client: Client, request: TxnRequest, signal: AbortSignal): Promise<TxnReply> {
  return untilAnswered(client, signal, () => client.store.txn(request, { signal }));
}

export function foundIn({ replies }: Pick<TxnReply, 'replies'>): readonly Found[] {
  return replies.flatMap((reply) => (reply.type === 'range' ? [reply] : []));
}

/** Asks again and again, as long as that may help. Only for what changes nothing. */
export async function untilAnswered<T>(
  client: Client,
  signal: AbortSignal,
  ask: () => Promise<T>,
): Promise<T> {
  const backoff = new Backoff(client.runtime, { firstMs: 10, longestMs: 1_000 });
  for (;;) {
    signal.throwIfAborted();
    try {
      return await ask();
    } catch (error) {
      if (!mayPass(error)) throw error;
      await sleep(client.runtime, backoff.nextMs(), { signal }).catch(() => {});
    }
  }
}

function mayPass(error: unknown): boolean {
  return isPassingRead(error) || isQuorateError(error, 'unreachable');
}
