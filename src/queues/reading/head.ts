import type { WaitOptions } from '../../runtime/index.js';
import { type CallOptions, compare, get, type KeyValue, type Store, txnOf } from '../../store/index.js';
import { type ItemId, placeOf, type QueueKeys } from '../keys.js';
import { decodeBeat } from '../records/index.js';

/** The first item that is not acknowledged yet, and the revision at which it was that. */
export interface Head {
  readonly item: KeyValue | undefined;
  readonly revision: number;
}

export async function readHead(store: Store, keys: QueueKeys, options: WaitOptions): Promise<Head> {
  const { start } = await startOfItems(store, keys, options);
  const { kvs, revision } = await store.range({ ...keys.itemsBetween(start, undefined), limit: 1 }, options);
  return { item: kvs[0], revision };
}

/** Where items begin, and the revision of which that is true. */
export interface Start {
  readonly start: ItemId;
  readonly revision: number;
}

/**
 * No item is below it. Reading from the start of the prefix would walk over everything consumed so far: etcd keeps what was
 * deleted until it is compacted.
 */
export async function startOfItems(store: Store, keys: QueueKeys, options: CallOptions): Promise<Start> {
  const { replies, revision } = await store.txn(
    txnOf({
      compare: [compare.create(keys.gate, 'equal', 0)],
      failure: [get(keys.gate), get(keys.beat)],
    }),
    options,
  );
  const [gate, beat] = replies.map((reply) => (reply.type === 'range' ? reply.kvs[0] : undefined));
  if (gate === undefined || beat === undefined) return { start: placeOf(0), revision };
  const gateId = Buffer.from(gate.value).toString('latin1');
  const base = decodeBeat(beat.value).base;
  return { start: base !== undefined && base < gateId ? base : gateId, revision };
}
