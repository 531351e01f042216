import { QuorateError } from '../errors.js';
import type { Client, Session } from '../session/index.js';
import { type CallOptions, type Compare, nested, type TxnReply, type TxnRequest } from '../store/index.js';
import { Guards, type TransactionGuard } from './stm/guards.js';

/** Refuses with `invalid-argument` what guards nothing. */
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
  if ('txn' in guard) return guard.txn(request, options);
  const compare = [compareOf(guard)];
  const reply = await client.store.txn({ compare, success: [nested(request)], failure: [] }, options);
  const [inner] = reply.replies;
  if (inner?.type === 'txn') {
    return { revision: reply.revision, succeeded: inner.succeeded, replies: inner.replies };
  }
  throw new QuorateError('fenced', 'the store refused the write: what it was made under had ended', {
    details: { guard: compare[0]?.key, revision: reply.revision },
  });
}

/** Throws `session-lost` for a session of which that is known already. */
function compareOf(guard: Exclude<TransactionGuard, { txn: unknown }>): Compare {
  if (!('guard' in guard)) return guard;
  const { assertLive } = guard as Partial<Session>;
  assertLive?.call(guard);
  return guard.guard();
}
