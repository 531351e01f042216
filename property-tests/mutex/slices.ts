/** LOCK-8: how long a process keeps the lock to itself. */
import { milliseconds } from '../../src/checkers/evidence.js';
import type { History, Life } from '../../src/checkers/index.js';
import { tenureAt, tenuresOf } from '../../src/checkers/place-order.js';
import { broken } from '../../src/checkers/sentences.js';
import { grantsPerRevision } from '../../src/line/index.js';
import type { Key } from '../../src/store/index.js';
import type { SeenGrant } from './seen-grant.js';

export interface SliceLimits {
  readonly sliceGrants: number;
  readonly sliceMs: number;
  readonly barging?: boolean;
  readonly bargingMs?: number;
}

export interface SliceCounts {
  readonly endedByGrants: number;
  readonly endedByTime: number;
  readonly longer: number;
  readonly steppedBack: number;
  /** Longer than a slice would have been, while another process waited. */
  readonly barged: number;
}

/**
 * Each place serves one slice: all its grants but the first begin within the slice's time, and there are not more than
 * the slice has; but who steps back and finds nobody else may take twice as many the next time. Who barges has longer slices.
 */
export function checkSlices(
  history: History,
  places: readonly Life[],
  grants: readonly SeenGrant[],
  options: SliceLimits,
): SliceCounts {
  const { barging = false, bargingMs = Number.NaN } = options;
  const limits = barging ? { sliceGrants: grantsPerRevision, sliceMs: bargingMs } : options;
  const slices = new Map<string, SeenGrant[]>();
  for (const grant of grants) {
    // Whose place was secured has the guard of that, and the slice began with the place.
    const life = grant.lifeIn(history);
    const from = life === undefined ? grant.revision : tenureAt(history, life, grant.revision).from;
    const name = `${grant.place} ${from}`;
    slices.set(name, [...(slices.get(name) ?? []), grant]);
  }
  const counts = { endedByGrants: 0, endedByTime: 0, longer: 0, steppedBack: 0, barged: 0 };
  const lines = new Map<string, { allowed: number; last: Life }>();
  const stands = places.flatMap((life) => tenuresOf(history, life));
  stands.sort((one, other) => one.tenure.from - other.tenure.from);
  for (const { tenure: place, handedTo } of stands) {
    const id = idOf(handedTo ?? place.key);
    const before = lines.get(id);
    let allowed = before?.allowed ?? limits.sliceGrants;
    if (handedTo === undefined && before?.last.to === place.from) {
      const isAlone = !places.some(({ from, to }) => from < place.from && to > place.from);
      if (!isAlone) counts.steppedBack += 1;
      allowed = isAlone ? Math.min(grantsPerRevision, allowed * 2) : limits.sliceGrants;
    }
    lines.set(id, { allowed, last: place });
    const slice = slices.get(`${place.key} ${place.from}`);
    if (slice === undefined) continue;
    checkSlice(slice, { ...limits, sliceGrants: allowed });
    const wasSteppedBackFrom = history
      .entryAt(place.to)
      ?.events.some(({ type, kv }) => type === 'put' && idOf(kv.key) === id && kv.key !== place.key);
    if (slice.length > limits.sliceGrants) counts.longer += 1;
    if (
      slice.length > options.sliceGrants &&
      places.some(({ from, to }) => from < place.to && to > place.to)
    ) {
      counts.barged += barging ? 1 : 0;
    }
    if (wasSteppedBackFrom) counts[slice.length === allowed ? 'endedByGrants' : 'endedByTime'] += 1;
  }
  return counts;
}

/** Which `Line` object a place is one of. */
function idOf(place: Key): string {
  return place.slice(0, place.lastIndexOf('.'));
}

function checkSlice(slice: readonly SeenGrant[], { sliceGrants, sliceMs }: SliceLimits): void {
  const [first] = slice;
  if (first === undefined) return;
  const what = `${first.process.name} gave out ${slice.length} grants by its place ${first.place} of revision ${first.revision}`;
  if (slice.length > sliceGrants) broken('LOCK-8', `${what}, with ${sliceGrants} to a slice`);
  const lateMs = Math.max(...slice.map(({ monotonicMs }) => monotonicMs - first.monotonicMs));
  if (slice.length > 1 && lateMs >= sliceMs) {
    broken(
      'LOCK-8',
      `${what}, one of them ${milliseconds(lateMs)} after the first, with ${sliceMs} ms to a slice`,
    );
  }
}
