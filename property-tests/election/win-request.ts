import type { Key, TxnRequest } from '../../src/store/index.js';

export interface ElectionKeys {
  readonly leader: Key;
  readonly state: Key;
}

/** A request, or one of those in it, writes who leads and reads the checkpoint: that is a win. */
export function asksToWin(
  { leader, state }: ElectionKeys,
  { success }: Pick<TxnRequest, 'success'>,
): boolean {
  const puts = success.some((op) => op.type === 'put' && op.key === leader);
  const reads = success.some((op) => op.type === 'range' && op.key === state);
  return (puts && reads) || success.some((op) => op.type === 'txn' && asksToWin({ leader, state }, op));
}
