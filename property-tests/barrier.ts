/**
 * The gate: callers in several processes wait at it and lose their patience, others keep it closed by a lease or on purpose, open
 * what others have closed, crash and pause; an administrator deletes it. Whoever returned is held against the history; and when all
 * is healed a gate that is opened and closed again at once, while every watch is cut, releases everybody who waited, and nobody
 * who came after.
 */
import { releaseInCalm } from './barrier/calm.js';
import { judge } from './barrier/judge.js';
import { Scene } from './barrier/scene.js';
import { situations } from './barrier/situations.js';
import { type BarrierWorkload, barrierWorkload, withinMs } from './barrier/workload.js';
import { compactAtMoments } from './support/compaction.js';
import type { Property } from './support/property.js';
import { settle } from './support/settle.js';
import type { World } from './support/world.js';

const safetyMs = 9_000;
/** Leases end, watches that fell silent are given up, and everybody has a turn. */
const livenessMs = 120_000;
/** Requests may arrive so late. */
const afterlifeMs = 9_000;

async function run(world: World<BarrierWorkload>): Promise<void> {
  const { workload } = world;
  const scene = new Scene(world);
  for (const callers of workload.processes) scene.seats.start(callers);
  compactAtMoments(world, workload.compactEveryMs, safetyMs);
  await scene.administrator.doAll(workload.deeds);
  await world.safetyPhase(() => scene.seats.pending === undefined, safetyMs);
  world.heal();
  scene.seats.isHealed = true;
  const pending = () => {
    scene.openNowAndThen();
    return scene.seats.left('waits');
  };
  await settle(world, {
    pending,
    withinMs: livenessMs,
    afterlifeMs,
    judge: () => judge(world, scene),
  });
  judge(world, scene);
  if (world.plan.knobs.heal === 'all') await releaseInCalm(world, scene);
  judge(world, scene);
}

export const barrierProperty: Property<BarrierWorkload> = {
  module: 'barrier',
  invariants: ['BARRIER-1', 'BARRIER-2', 'BARRIER-3'],
  workload: barrierWorkload,
  faults: { maxWindows: 12, withinMs },
  sometimes: situations,
  runs: 600,
  run,
};
