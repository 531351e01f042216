/**
 * The double barrier: members in several processes enter and leave, round after round, lose their patience in either, crash, pause
 * and lose their sessions; an administrator deletes their keys. The history is judged, and what each was told; and when all is
 * healed, as many as it takes enter and leave, also where one of them dies.
 */
import { prefixRange } from '../src/store/index.js';
import { enterInCalm, loseOneInCalm } from './double-barrier/calm.js';
import { judge } from './double-barrier/judge.js';
import { Scene } from './double-barrier/scene.js';
import { situations } from './double-barrier/situations.js';
import { type DoubleWorkload, doubleWorkload, withinMs } from './double-barrier/workload.js';
import { compactAtMoments } from './support/compaction.js';
import type { Property } from './support/property.js';
import { settle } from './support/settle.js';
import type { World } from './support/world.js';

const safetyMs = 9_000;
const livenessMs = 120_000;
/** Requests may arrive so late. */
const afterlifeMs = 9_000;

async function run(world: World<DoubleWorkload>): Promise<void> {
  const { workload, simulation } = world;
  const scene = new Scene(world);
  for (const callers of workload.processes) scene.seats.start(callers);
  compactAtMoments(world, workload.compactEveryMs, safetyMs);
  await scene.administrator.doAll(workload.deeds);
  await world.safetyPhase(() => scene.seats.pending === undefined, safetyMs);
  world.heal();
  scene.seats.isHealed = true;
  await settle(world, {
    pending: () => scene.seats.left('waits'),
    withinMs: livenessMs,
    afterlifeMs,
    judge: () => judge(world, scene, { drained: false }),
  });
  const count = (prefix: string) =>
    simulation.engine.range({ ...prefixRange(prefix), countOnly: true }).count;
  await world.runUntil(() => count(`${scene.prefix}p/`) + count(`${scene.prefix}q/`) === 0, livenessMs);
  judge(world, scene, { drained: true });
  if (world.plan.knobs.heal === 'all') {
    await enterInCalm(world, scene);
    await loseOneInCalm(world, scene);
  }
  judge(world, scene, { drained: false });
}

export const doubleBarrierProperty: Property<DoubleWorkload> = {
  module: 'double-barrier',
  invariants: ['DOUBLE-1', 'DOUBLE-2', 'DOUBLE-3', 'DOUBLE-4', 'DOUBLE-5'],
  workload: doubleWorkload,
  faults: { maxWindows: 12, withinMs },
  sometimes: situations,
  runs: 600,
  run,
};
