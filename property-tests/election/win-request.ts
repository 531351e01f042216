import type { Key, TxnRequest } from '../../src/store/index.js';

/** A request, or one of those in it, writes who leads, provided that nobody older stands. */
export function asksToWin(
  leader: Key,
  { compare, success }: Pick<TxnRequest, 'compare' | 'success'>,
): boolean {
  const isOldest = compare.some(({ target, result }) => target === 'create' && result === 'greater');
  const puts = success.some((op) => op.type === 'put' && op.key === leader);
  return (isOldest && puts) || success.some((op) => op.type === 'txn' && asksToWin(leader, op));
}
