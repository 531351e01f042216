import type { Runtime } from '../runtime/index.js';
import type { Key, LeaseId, Store } from '../store/index.js';
import type { LaneLease } from './lane-lease.js';
import { openedPositions, openingRequest, type Position } from './lane-requests.js';
import type { MutableStats } from './mutable-stats.js';
import type { Stopper } from './stopper.js';

/** What all lanes of a commit store have in common. */
export interface LaneContext {
  readonly store: Store;
  readonly runtime: Runtime;
  readonly lease: LaneLease;
  readonly lanePrefix: Key;
  readonly attemptTimeoutMs: number;
  readonly stats: MutableStats;
}

/** Creates lanes in one request. One attempt, which may be repeated with the same keys and lease. */
export async function openLanes(
  context: Pick<LaneContext, 'store' | 'attemptTimeoutMs' | 'stats'>,
  stopper: Stopper,
  keys: readonly Key[],
  lease: LeaseId,
): Promise<Position[]> {
  const { store, attemptTimeoutMs, stats } = context;
  const options = { timeoutMs: attemptTimeoutMs, signal: stopper.signal };
  const positions = openedPositions(keys, lease, await store.txn(openingRequest(keys, lease), options));
  stats.lanesOpened += keys.length;
  return positions;
}
