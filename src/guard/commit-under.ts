import { QuorateError } from '../errors.js';
import type { Client } from '../session/index.js';
import { type CallOptions, nested, type TxnReply, type TxnRequest } from '../store/index.js';
import { Guards, type TransactionGuard } from './guards.js';

/** Refuses with `invalid-argument` what guards nothing, and with `session-lost` a session of which that is known already. */
export function checkGuard(guard: TransactionGuard | undefined): void {
  if (guard !== undefined) new Guards().add(guard);
}

/**
 * One transaction, applied only while what guards it stands. Errors: `fenced` if the store refused it, since that had ended;
 * `hold-lost` and `session-lost` if that was known here, and nothing was sent; the store's own.
 */
export async function commitUnder(
  client: Client,
  guard: TransactionGuard | undefined,
  request: TxnRequest,
  options: CallOptions,
): Promise<TxnReply> {
  if (guard === undefined) return client.store.txn(request, options);
  const guards = new Guards();
  guards.add(guard);
  const { compares, writer } = guards;
  if (writer !== undefined) return writer.txn(request, options);
  const success = [nested(request)];
  const reply = await client.store.txn({ compare: compares, success, failure: [] }, options);
  const [inner] = reply.replies;
  if (inner?.type === 'txn') {
    return { revision: reply.revision, succeeded: inner.succeeded, replies: inner.replies };
  }
  throw new QuorateError('fenced', 'the store refused the write: what it was made under had ended', {
    details: { guard: compares[0]?.key, revision: reply.revision },
  });
}
