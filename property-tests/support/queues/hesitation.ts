import type { ProcessContext, SimulatedProcess } from '../../../src/simulator/index.js';
import type { World } from '../world.js';

export interface Hesitation {
  /** It stands still for so long as it is about to do something for the n-th time; 0: it does not. */
  readonly hesitateMs: number;
  readonly hesitateNth: number;
}

/** To be called each time: in its first life, the process stands still at the n-th. */
export function hesitationOf(
  world: World,
  process: SimulatedProcess,
  { incarnation }: ProcessContext,
  plan?: Hesitation,
): () => void {
  const durationMs = incarnation === 0 ? (plan?.hesitateMs ?? 0) : 0;
  let times = 0;
  return () => {
    times += 1;
    if (durationMs > 0 && times === plan?.hesitateNth) standStill(world, process, durationMs);
  };
}

export function standStill({ simulation }: World, { index }: SimulatedProcess, durationMs: number): void {
  simulation.inject({ atMs: simulation.nowMs, durationMs, kind: 'pause', target: index });
}
