/**
 * Where the items of a queue begin. Reading from the start of the prefix would walk over everything consumed so far: etcd keeps
 * what was deleted until it is compacted.
 *
 * Every move of a gate comes with a beat, which says of each level where its smallest item is, or that it has none. A gate that
 * no beat knows of was never moved.
 */

import {
  type CallOptions,
  get,
  type KeyValue,
  type RangeOp,
  type Store,
  textOf,
  txnOf,
} from '../../store/index.js';
import { beatOf } from '../dispatch/reads.js';
import { type ItemId, type LevelName, placeOf, type QueueKeys } from '../keys.js';
import { checkKind } from '../producer/admission.js';

/** Where the gate of a level stands, and where its items begin. */
export interface LevelStart {
  readonly name: LevelName;
  readonly gate: ItemId;
  /** No item of the level is below it, or can come to be. */
  readonly start: ItemId;
}

/** Of the levels that were ever used, the most urgent first: by what is there of `h` and `h/…`, and by the beat, at one revision. */
export function levelStarts(
  keys: QueueKeys,
  admission: readonly KeyValue[],
  beatKv: KeyValue | undefined,
): readonly LevelStart[] {
  const beat = beatKv && beatOf(beatKv);
  return admission.flatMap(({ key, value, version }) => {
    const name = keys.levelOfGate(key);
    if (name === undefined) return [];
    const gate = textOf(value);
    const unknown = version === 1 ? gate : placeOf(0, name);
    const base = beat === undefined ? unknown : (beat.bases[name] ?? gate);
    return [{ name, gate, start: base < gate ? base : gate }];
  });
}

/** The revision of which all of it is true, and the levels. */
export interface Starts {
  readonly levels: readonly LevelStart[];
  readonly revision: number;
}

/** One request. Rejects with `invalid-argument` for a queue of another kind. */
export async function readStarts(store: Store, keys: QueueKeys, options: CallOptions): Promise<Starts> {
  const reads: RangeOp[] = [{ type: 'range', ...keys.admission }, get(keys.beat)];
  const { replies, revision } = await store.txn(txnOf({ success: reads }), options);
  const [admission = [], beats = []] = replies.map((reply) => (reply.type === 'range' ? reply.kvs : []));
  if (admission.some(({ key }) => key === keys.gate)) {
    checkKind(
      keys,
      admission.find(({ key }) => key === keys.kindKey),
    );
  }
  return { levels: levelStarts(keys, admission, beats[0]), revision };
}
