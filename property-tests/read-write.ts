/**
 * The read-write lock: readers and writers that upgrade, downgrade and lose their patience, processes that crash, pause, sleep
 * and hold on too long, an administrator who deletes one key of a place and revokes leases, history compacted under them.
 * The history is judged, and what each process believed; and once all or a core is healed, whoever is left gets the lock,
 * by events and not by looking again.
 */
import { prefixRange } from '../src/store/index.js';
import { contendInCalm, deleteAKey } from './read-write/calm.js';
import { judge } from './read-write/judge.js';
import { Scene } from './read-write/scene.js';
import { situations } from './read-write/situations.js';
import { type ReadWriteWorkload, readWriteWorkload, withinMs } from './read-write/workload.js';
import { compactAtMoments } from './support/compaction.js';
import type { Property } from './support/property.js';
import { settle } from './support/settle.js';
import type { World } from './support/world.js';

const safetyMs = 9_000;
/** As long as that of the mutex, and for its reasons: see there. */
const livenessMs = 8_000 + 20_000 + 9_000 + 15_000 + 32 * 5_000;
/** Requests may arrive so late. */
const afterlifeMs = 9_000;

async function run(world: World<ReadWriteWorkload>): Promise<void> {
  const { workload, simulation } = world;
  const scene = new Scene(world);
  for (const callers of workload.processes) scene.seats.start(callers);
  compactAtMoments(world, workload.compactEveryMs, safetyMs);
  await scene.administrator.doAll(workload.deeds);
  await scene.seats.safetyPhase(safetyMs);
  await settle(world, {
    pending: () => scene.seats.left('wants the lock'),
    withinMs: livenessMs,
    afterlifeMs,
    judge: () => judge(world, scene, { drained: false }),
  });
  // What was sent long ago must leave nothing behind.
  const places = { ...prefixRange(scene.line), countOnly: true };
  await world.runUntil(() => simulation.engine.range(places).count === 0, livenessMs);
  judge(world, scene, { drained: true });
  if (world.plan.knobs.heal !== 'all') return;
  await contendInCalm(world, scene);
  await deleteAKey(world, scene);
}

export const readWriteProperty: Property<ReadWriteWorkload> = {
  module: 'read-write',
  invariants: [
    ...['RW-1', 'RW-2', 'RW-3'],
    ...['LOCK-2', 'LOCK-3', 'LOCK-4', 'LOCK-5', 'LOCK-6', 'LOCK-8', 'LOCK-9'],
  ],
  workload: readWriteWorkload,
  faults: { maxWindows: 14, withinMs },
  sometimes: situations,
  runs: 900,
  run,
};
