import { compactAtMoments } from './compaction.js';
import { settle } from './settle.js';
import { bring, type Weather } from './weather.js';
import type { World } from './world.js';

const safetyMs = 9_000;
/** Requests may arrive so late. */
const afterlifeMs = 9_000;

/** What the workload of such a run has beside its own. */
export interface CallersWorkload<P> {
  readonly processes: readonly P[];
  readonly weather: Weather;
  readonly compactEveryMs: number;
}

/** The part of a scene that does not depend on what is called. */
export interface CallersScene<P> {
  readonly seats: {
    safetyPhase(atMostMs: number): Promise<void>;
    left(does: string): string | undefined;
  };
  start(process: P): void;
}

export interface CallersRun {
  /** Names what is pending when every call is answered and all that was sent has arrived. */
  readonly atLast: () => string | undefined;
  readonly livenessMs: number;
  /** Throws if something was done wrong so far. */
  readonly judge: (when: { readonly isOver: boolean }) => void;
}

/**
 * Processes whose callers call under weather, while history is compacted under them; then all or a core is healed, every call is
 * answered, and those who listen or look have the last. What was done is judged.
 */
export async function runCallers<P, W extends CallersWorkload<P>>(
  world: World<W>,
  scene: CallersScene<P>,
  { atLast, livenessMs, judge }: CallersRun,
): Promise<void> {
  const { processes, weather, compactEveryMs } = world.workload;
  for (const process of processes) scene.start(process);
  bring(world, weather, processes.length, safetyMs);
  compactAtMoments(world, compactEveryMs, safetyMs);
  await scene.seats.safetyPhase(safetyMs);
  await settle(world, {
    ...{ atLast, withinMs: livenessMs, afterlifeMs },
    pending: () => scene.seats.left('has calls that are not answered'),
    judge: () => judge({ isOver: false }),
  });
  judge({ isOver: true });
}
