import { invalidArgument } from '../errors.js';
import { type CallOptions, type Key, type KeyValue, prefixRange, type Store } from '../store/index.js';
import { decodePlace } from './place-record.js';

/** Somebody in a line: one place, which may stand for many callers of its process. */
export interface Claimant {
  /** The key of the place. */
  readonly place: Key;
  /** The revision that created it: the smaller, the earlier. */
  readonly revision: number;
  /** The label of its client. */
  readonly label: string;
  /** The id of the session that it goes with. */
  readonly session: string;
  /** For whom it stands, where that was told. */
  readonly owner?: string;
}

/** A line as it stood at one revision. */
export interface LineView {
  readonly revision: number;
  /** Whose turn it is; undefined if nobody is there. */
  readonly holder: Claimant | undefined;
  /** Who waits, in order. */
  readonly waiting: readonly Claimant[];
}

export interface SeenLine {
  readonly view: LineView;
  readonly kvs: readonly KeyValue[];
}

/** Reads a line without joining it. One request, errors as the store's. */
export async function viewLine(store: Store, prefix: Key, options: CallOptions): Promise<SeenLine> {
  const { kvs, revision } = await store.range(
    { ...prefixRange(prefix), sort: { target: 'create', order: 'ascend' } },
    options,
  );
  const [holder, ...waiting] = kvs.map(claimantOf);
  return { view: { revision, holder, waiting }, kvs };
}

function claimantOf(kv: KeyValue): Claimant {
  const { session = '', label = '', owner } = decodePlace(kv)?.record ?? {};
  const who = { place: kv.key, revision: kv.createRevision, label, session };
  return owner === undefined ? who : { ...who, owner };
}

/** The first who waits under this label, or just this place. Its key, if it still waits. */
export function findWaiting({ kvs }: SeenLine, to: string | Claimant): KeyValue | undefined {
  const waiting = kvs.slice(1);
  if (typeof to === 'string') return waiting.find((kv) => decodePlace(kv)?.record.label === to);
  if (typeof to !== 'object' || to === null || typeof to.place !== 'string') {
    throw invalidArgument(
      `to is of type ${typeof to}`,
      'the label of a client, or one of those who wait, as read from the line',
    );
  }
  return waiting.find(({ key, createRevision }) => key === to.place && createRevision === to.revision);
}
