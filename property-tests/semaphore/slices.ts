/** SEMAPHORE-3: how long a process keeps permits to itself, and how many places it has waiting. */
import { milliseconds } from '../../src/checkers/evidence.js';
import { broken } from '../../src/checkers/sentences.js';
import type { Admissions } from './admissions.js';
import type { SeenPermits } from './seen-permits.js';

export interface SliceLimits {
  readonly sliceGrants: number;
  readonly sliceMs: number;
  readonly waitingPlaces: number;
}

export interface SliceCounts {
  readonly endedByGrants: number;
  readonly endedByTime: number;
}

/** Each place serves one slice: all its grants but the first begin within the slice's time, and there are not more than it has. */
export function checkSlices(grants: readonly SeenPermits[], limits: SliceLimits): SliceCounts {
  const slices = new Map<string, SeenPermits[]>();
  for (const grant of grants) {
    const name = `${grant.place} ${grant.revision}`;
    slices.set(name, [...(slices.get(name) ?? []), grant]);
  }
  const counts = { endedByGrants: 0, endedByTime: 0 };
  for (const [name, slice] of slices) {
    const fromMs = slice[0]?.monotonicMs ?? 0;
    const lateMs = Math.max(...slice.map(({ monotonicMs }) => monotonicMs - fromMs));
    const what = `${slice[0]?.process.name} gave out ${slice.length} grants by its place ${name}`;
    if (slice.length > limits.sliceGrants) {
      broken('SEMAPHORE-3', `${what}, with ${limits.sliceGrants} to a slice`);
    }
    if (slice.length > 1 && lateMs >= limits.sliceMs) {
      broken(
        'SEMAPHORE-3',
        `${what}, one of them ${milliseconds(lateMs)} after the first, with ${limits.sliceMs} ms to a slice`,
      );
    }
    if (slice.length === limits.sliceGrants) counts.endedByGrants += 1;
    else if (slice.length > 1) counts.endedByTime += 1;
  }
  return counts;
}

/** `tries`: how often one process tries, which takes a place beyond those. */
export function checkWaitingPlaces(
  { mostWaiting }: Admissions,
  { waitingPlaces }: SliceLimits,
  tries: number,
): void {
  for (const { object, count, revision } of mostWaiting) {
    if (count <= waitingPlaces + tries) continue;
    broken(
      'SEMAPHORE-3',
      `at revision ${revision}, ${count} places of ${object} waited, with ${waitingPlaces} to wait at a time, and ${tries} that tried`,
    );
  }
}
