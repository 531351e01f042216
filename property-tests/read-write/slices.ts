/** LOCK-8: how long a process lets readers come to one place. */
import { milliseconds } from '../../src/checkers/evidence.js';
import type { History } from '../../src/checkers/index.js';
import { broken } from '../../src/checkers/sentences.js';
import type { SeenHold } from './seen-hold.js';

export interface SliceLimits {
  readonly sliceGrants: number;
  readonly sliceMs: number;
}

export interface SliceCounts {
  /** Readers that came to a place which another of their process had already. */
  readonly shared: number;
  readonly endedByGrants: number;
  readonly endedByTime: number;
}

/** Each place takes readers for one slice: all but the first come within its time, and there are not more than it has. */
export function checkSlices(
  history: History,
  grants: readonly SeenHold[],
  { sliceGrants, sliceMs }: SliceLimits,
): SliceCounts {
  const places = new Map<string, SeenHold[]>();
  for (const grant of grants) {
    // What a downgrade has left is nobody else's, and has come of no slice.
    if (grant.writeKey !== undefined || grant.turnedFrom !== undefined) continue;
    const name = `${grant.readKey} of revision ${grant.livesIn(history)[0]?.from}`;
    places.set(name, [...(places.get(name) ?? []), grant]);
  }
  const counts = { shared: 0, endedByGrants: 0, endedByTime: 0 };
  for (const [name, readers] of places) {
    const fromMs = readers[0]?.monotonicMs ?? 0;
    const lateMs = Math.max(...readers.map(({ monotonicMs }) => monotonicMs - fromMs));
    const what = `${readers[0]?.process.name} let ${readers.length} readers come to its place ${name}`;
    if (readers.length > sliceGrants) broken('LOCK-8', `${what}, with ${sliceGrants} to a slice`);
    if (readers.length > 1 && lateMs >= sliceMs) {
      broken(
        'LOCK-8',
        `${what}, one of them ${milliseconds(lateMs)} after the first, with ${sliceMs} ms to a slice`,
      );
    }
    counts.shared += readers.length - 1;
    if (readers.length === sliceGrants) counts.endedByGrants += 1;
    else if (isHeldLonger(readers, sliceMs)) counts.endedByTime += 1;
  }
  return counts;
}

function isHeldLonger(readers: readonly SeenHold[], sliceMs: number): boolean {
  const fromMs = readers[0]?.belief.fromMs ?? 0;
  return readers.some(({ belief }) => (belief.endedAtMs ?? Number.POSITIVE_INFINITY) > fromMs + sliceMs);
}
