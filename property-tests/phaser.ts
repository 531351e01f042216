/**
 * The phaser: members in several processes that register, alone and several at once, go through phases in all ways, and leave;
 * processes that crash and pause while they wait and while they are awaited, calls that are given up and repeated, an
 * administrator who deletes registrations and leases, history compacted under them. Once all or a core is healed, everybody
 * gets through its phases: whoever died or left keeps nobody waiting.
 */
import { prefixRange } from '../src/store/index.js';
import { judge } from './phaser/judge.js';
import { Scene } from './phaser/scene.js';
import { situations } from './phaser/situations.js';
import { type PhaserWorkload, phaserWorkload, withinMs } from './phaser/workload.js';
import { compactAtMoments } from './support/compaction.js';
import type { Property } from './support/property.js';
import { settle } from './support/settle.js';
import type { World } from './support/world.js';

const safetyMs = 9_000;
/** As long as that of the mutex, and for its reasons: see there. */
const livenessMs = 8_000 + 20_000 + 9_000 + 15_000 + 32 * 5_000;
/** Requests may arrive so late. */
const afterlifeMs = 9_000;

async function run(world: World<PhaserWorkload>): Promise<void> {
  const { workload, simulation } = world;
  const scene = new Scene(world);
  for (const callers of workload.processes) scene.seats.start(callers);
  compactAtMoments(world, workload.compactEveryMs, safetyMs);
  await scene.administrator.doAll(workload.deeds);
  await scene.seats.safetyPhase(safetyMs);
  await settle(world, {
    pending: () => scene.seats.left('goes through its phases'),
    withinMs: livenessMs,
    afterlifeMs,
    judge: () => judge(world, scene, { drained: false }),
  });
  // What was sent long ago must leave nothing behind.
  const members = { ...prefixRange(`${scene.prefix}m/`), countOnly: true };
  await world.runUntil(() => simulation.engine.range(members).count === 0, livenessMs);
  judge(world, scene, { drained: true });
}

export const phaserProperty: Property<PhaserWorkload> = {
  module: 'phaser',
  invariants: ['PHASER-1', 'PHASER-2', 'PHASER-3', 'PHASER-4'],
  workload: phaserWorkload,
  faults: { maxWindows: 14, withinMs },
  sometimes: situations,
  runs: 600,
  run,
};
