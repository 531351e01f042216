/**
 * The semaphore: callers of all weights that lose their patience, processes that crash, pause and hold on too long, several
 * who resize at random, an administrator who deletes places, spoils the limit and revokes leases, history compacted under
 * them. The history is judged, and what each process believed; and once all or a core is healed, whoever asks for no more
 * than the limit gets it, by events and not by looking again.
 */
import { prefixRange } from '../src/store/index.js';
import { contendInCalm } from './semaphore/calm.js';
import { judge } from './semaphore/judge.js';
import { Scene } from './semaphore/scene.js';
import { situations } from './semaphore/situations.js';
import { type SemaphoreWorkload, semaphoreWorkload, withinMs } from './semaphore/workload.js';
import { compactAtMoments } from './support/compaction.js';
import type { Property } from './support/property.js';
import { settle } from './support/settle.js';
import type { World } from './support/world.js';

const safetyMs = 9_000;
/** As long as that of the mutex, and for its reasons: see there. */
const livenessMs = 8_000 + 20_000 + 9_000 + 15_000 + 32 * 5_000;
/** Requests may arrive so late. */
const afterlifeMs = 9_000;

async function run(world: World<SemaphoreWorkload>): Promise<void> {
  const { workload, simulation } = world;
  const scene = new Scene(world);
  for (const callers of workload.processes) scene.seats.start(callers);
  compactAtMoments(world, workload.compactEveryMs, safetyMs);
  await scene.doAll(workload);
  await scene.seats.safetyPhase(safetyMs);
  await settle(world, {
    pending: () => scene.seats.left('wants permits'),
    withinMs: livenessMs,
    afterlifeMs,
    judge: () => judge(world, scene, { drained: false }),
  });
  // What was sent long ago must leave nothing behind.
  const places = { ...prefixRange(scene.line), countOnly: true };
  await world.runUntil(() => simulation.engine.range(places).count === 0, livenessMs);
  judge(world, scene, { drained: true });
  if (world.plan.knobs.heal === 'all') await contendInCalm(world, scene);
}

export const semaphoreProperty: Property<SemaphoreWorkload> = {
  module: 'semaphore',
  invariants: [
    ...['SEMAPHORE-1', 'SEMAPHORE-2', 'SEMAPHORE-3', 'SEMAPHORE-4'],
    ...['LOCK-3', 'LOCK-4', 'LOCK-5', 'LOCK-9'],
  ],
  workload: semaphoreWorkload,
  faults: { maxWindows: 14, withinMs },
  sometimes: situations,
  runs: 900,
  run,
};
