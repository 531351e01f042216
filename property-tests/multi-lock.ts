/**
 * The multi-lock: callers that want any of four locks at a time, in any order, beside others that want one of them as a mutex;
 * they lose their patience, crash, pause and hold on too long, and an administrator deletes single places. Each
 * lock is judged as a mutex, and each set as a whole; and once all or a core is healed, everybody gets what it wants.
 */
import { prefixRange } from '../src/store/index.js';
import { deleteAPart, handToAPart, queueInCalm } from './multi-lock/calm.js';
import { judge } from './multi-lock/judge.js';
import { Scene } from './multi-lock/scene.js';
import { situations } from './multi-lock/situations.js';
import { type MultiLockWorkload, multiLockWorkload, withinMs } from './multi-lock/workload.js';
import { compactAtMoments } from './support/compaction.js';
import type { Property } from './support/property.js';
import { settle } from './support/settle.js';
import type { World } from './support/world.js';

const safetyMs = 9_000;
/** As long as that of the mutex, and for its reasons: see there. */
const livenessMs = 8_000 + 20_000 + 9_000 + 15_000 + 32 * 5_000;
/** Requests may arrive so late. */
const afterlifeMs = 9_000;

async function run(world: World<MultiLockWorkload>): Promise<void> {
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
  judge(world, scene, { drained: true });
  await queueInCalm(world, scene);
  await handToAPart(world, scene);
  await deleteAPart(world, scene);
}

export const multiLockProperty: Property<MultiLockWorkload> = {
  module: 'multi-lock',
  invariants: ['MULTI-1', 'MULTI-2', 'LOCK-1', 'LOCK-2', 'LOCK-4', 'LOCK-5', 'LOCK-6', 'LOCK-7', 'LOCK-9'],
  workload: multiLockWorkload,
  faults: { maxWindows: 14, withinMs },
  sometimes: situations,
  runs: 600,
  run,
};
