/**
 * Deadlocks: owners that take two or three of four mutexes, one after the other, in any order, beside callers whom nobody named;
 * they lose their patience, crash and pause while they hold, hand locks on, and an administrator deletes their places. Whoever
 * is told of a circle must have closed one, by the history of the keys; and once all or a core is healed, everybody gets on.
 */
import { prefixRange } from '../src/store/index.js';
import { closeACircle, dissolveACircle } from './deadlock/calm.js';
import { judge } from './deadlock/judge.js';
import { Scene } from './deadlock/scene.js';
import { situations } from './deadlock/situations.js';
import { type DeadlockWorkload, deadlockWorkload, withinMs } from './deadlock/workload.js';
import { compactAtMoments } from './support/compaction.js';
import type { Property } from './support/property.js';
import { settle } from './support/settle.js';
import type { World } from './support/world.js';

const safetyMs = 7_000;
/** As long as that of the mutex, and for its reasons: see there. A look that failed is made up for within 7 s. */
const livenessMs = 8_000 + 20_000 + 9_000 + 15_000 + 16 * 7_000;
/** Requests may arrive so late. */
const afterlifeMs = 9_000;

async function run(world: World<DeadlockWorkload>): Promise<void> {
  const { workload, simulation } = world;
  const scene = new Scene(world);
  for (const callers of workload.processes) scene.seats.start(callers);
  compactAtMoments(world, workload.compactEveryMs, safetyMs);
  await scene.administrator.doAll(workload.deeds);
  await scene.seats.safetyPhase(safetyMs);
  await settle(world, {
    pending: () => scene.seats.left('wants locks'),
    withinMs: livenessMs,
    afterlifeMs,
    judge: () => judge(world, scene, { drained: false }),
  });
  // What was sent long ago must leave nothing behind.
  const places = { ...prefixRange(scene.places), countOnly: true };
  await world.runUntil(() => simulation.engine.range(places).count === 0, livenessMs);
  if (world.plan.knobs.heal === 'all') {
    await closeACircle(world, scene);
    if (world.random.chance(0.5)) await dissolveACircle(world, scene);
  }
  await world.runUntil(() => simulation.engine.range(places).count === 0, afterlifeMs);
  judge(world, scene, { drained: true });
}

export const deadlockProperty: Property<DeadlockWorkload> = {
  module: 'deadlock',
  invariants: ['DEADLOCK-1', 'DEADLOCK-2', 'LOCK-1', 'LOCK-2', 'LOCK-4'],
  workload: deadlockWorkload,
  faults: { maxWindows: 8, withinMs },
  sometimes: situations,
  runs: 400,
  run,
};
