import { type Claimant, decodePlace } from '../../line/index.js';
import type { Client } from '../../session/index.js';
import type { CallOptions, KeyRange, KeyValue } from '../../store/index.js';
import type { StoredLimit } from './limit.js';
import { weightIn } from './weights.js';

/** A place in the line of a semaphore. */
export interface SemaphoreClaimant extends Claimant {
  readonly weight: number;
}

/** A semaphore as it stood at one revision. */
export interface SemaphoreView {
  readonly revision: number;
  readonly limit: number;
  /** The sum of the weights of those who are admitted. */
  readonly used: number;
  /**
   * The oldest places, as many as the limit admits in this state. Those who held permits before the limit was made
   * smaller than what is held still do, though they may be among `waiting` here: nothing in the store tells them apart.
   */
  readonly admitted: readonly SemaphoreClaimant[];
  /** Those behind them, in order. */
  readonly waiting: readonly SemaphoreClaimant[];
}

/** Reads a semaphore without joining its line. One request. */
export async function viewSemaphore(
  { store }: Client,
  range: KeyRange,
  limit: StoredLimit,
  options: CallOptions,
): Promise<SemaphoreView> {
  const { kvs, revision } = await store.range(range, options);
  const present = limit.of(kvs.find(({ key }) => key === limit.key));
  const places = kvs.flatMap((kv) => claimantOf(kv) ?? []).sort(byTurn);
  let sum = 0;
  const behind = places.findIndex(({ weight }) => {
    sum += weight;
    return sum > present;
  });
  const admitted = behind < 0 ? places : places.slice(0, behind);
  const used = admitted.reduce((total, { weight }) => total + weight, 0);
  return { revision, limit: present, used, admitted, waiting: places.slice(admitted.length) };
}

function claimantOf(kv: KeyValue): SemaphoreClaimant | undefined {
  const weight = weightIn(kv.key);
  if (weight === undefined) return undefined;
  const { session = '', label = '', owner } = decodePlace(kv)?.record ?? {};
  const who = { place: kv.key, revision: kv.createRevision, label, session, weight };
  return owner === undefined ? who : { ...who, owner };
}

/** Of those that were taken together, the one with the smaller key comes first. */
function byTurn(left: SemaphoreClaimant, right: SemaphoreClaimant): number {
  return left.revision - right.revision || (left.place < right.place ? -1 : 1);
}
