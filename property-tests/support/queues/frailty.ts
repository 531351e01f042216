import type { SimulatedProcess } from '../../../src/simulator/index.js';
import type { World } from '../world.js';

/** Longer than any TTL of these properties. */
const muteMs = 5_000;

/** What befalls a process beside the windows of faults of its run. */
export interface Frailty {
  /** Its watches break again and again, and are slow. */
  readonly frailWatches: boolean;
  /** After so long its keep-alives are lost for a while, so that it loses its session and goes on; 0: they are not. */
  readonly muteAfterMs: number;
}

/** `safetyMs`: of the phase under faults. */
export function weaken(
  { simulation }: World,
  { index: target }: SimulatedProcess,
  { frailWatches = false, muteAfterMs: atMs = 0 }: Partial<Frailty>,
  safetyMs: number,
): void {
  for (const kind of frailWatches ? (['broken-watches', 'slow-watches'] as const) : []) {
    simulation.inject({ atMs: 0, durationMs: safetyMs, kind, target });
  }
  if (atMs > 0) simulation.inject({ atMs, durationMs: muteMs, kind: 'lost-keep-alives', target });
}
