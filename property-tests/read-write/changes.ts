import type { Key, Op, TxnRequest } from '../../src/store/index.js';

/**
 * What a request would do to places that stand: an upgrade puts a write key without its read key; a downgrade deletes one
 * without its read key, under the guards of both, and the giving up of an upgrade under that of the write key alone.
 */
export function changeOf(request: TxnRequest, line: Key): 'upgrade' | 'downgrade' | undefined {
  for (const one of txnsOf(request)) {
    const write = one.success.find(
      (op) => (op.type === 'put' || op.type === 'delete') && op.key.startsWith(`${line}w/`),
    );
    if (write === undefined) continue;
    const isOfRead = ({ type, key }: Op & { readonly key?: Key }) =>
      type === write.type && key?.startsWith(`${line}r/`);
    if (one.success.some(isOfRead)) continue;
    if (write.type === 'put') return 'upgrade';
    if (one.compare.length > 1) return 'downgrade';
  }
  return undefined;
}

function txnsOf(
  request: Pick<TxnRequest, 'compare' | 'success'>,
): readonly Pick<TxnRequest, 'compare' | 'success'>[] {
  return [request, ...request.success.flatMap((op) => (op.type === 'txn' ? txnsOf(op) : []))];
}
