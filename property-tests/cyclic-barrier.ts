/**
 * The cyclic barrier: callers in several processes that lose their patience, processes that crash and pause while they wait, while
 * they work, and while they run the action, actions that fail, somebody who resets, an administrator who deletes keys and
 * leases, history compacted under them. The history is judged, and what callers were told. Once all or a core is healed,
 * whoever still waits does so because too few are there, and nothing is due that nobody does.
 */
import { prefixRange } from '../src/store/index.js';
import { judge, pendingIn } from './cyclic-barrier/judge.js';
import { Scene } from './cyclic-barrier/scene.js';
import { situations } from './cyclic-barrier/situations.js';
import { type CyclicWorkload, cyclicWorkload, withinMs } from './cyclic-barrier/workload.js';
import { compactAtMoments } from './support/compaction.js';
import type { Property } from './support/property.js';
import { settle } from './support/settle.js';
import type { World } from './support/world.js';

const safetyMs = 9_000;
/** As long as that of the mutex, and for its reasons: see there. */
const livenessMs = 8_000 + 20_000 + 9_000 + 15_000 + 32 * 5_000;
/** Requests may arrive so late. */
const afterlifeMs = 9_000;

async function run(world: World<CyclicWorkload>): Promise<void> {
  const { workload, simulation } = world;
  const scene = new Scene(world);
  for (const callers of workload.processes) scene.start(callers);
  compactAtMoments(world, workload.compactEveryMs, safetyMs);
  await scene.doAll(workload);
  await scene.seats.safetyPhase(safetyMs);
  await settle(world, {
    pending: () => pendingIn(world, scene) ?? scene.closing(),
    withinMs: livenessMs,
    afterlifeMs,
    judge: () => judge(world, scene, { drained: false }),
  });
  // What was sent long ago must leave nothing behind.
  const members = { ...prefixRange(`${scene.prefix}m/`), countOnly: true };
  await world.runUntil(() => simulation.engine.range(members).count === 0, livenessMs);
  judge(world, scene, { drained: true });
}

export const cyclicBarrierProperty: Property<CyclicWorkload> = {
  module: 'cyclic-barrier',
  invariants: ['CYCLIC-1', 'CYCLIC-2', 'CYCLIC-3', 'CYCLIC-4', 'CYCLIC-5'],
  workload: cyclicWorkload,
  faults: { maxWindows: 14, withinMs },
  sometimes: situations,
  runs: 600,
  run,
};
