/**
 * The latch: callers in several processes count down, some saying what others have said, and others wait; they lose their patience,
 * crash and pause, replies are lost and history is compacted. The history tells what was counted; and when all is healed, whoever
 * waits is released once as many have arrived as it takes.
 */
import { History } from '../src/checkers/index.js';
import { checkLatch } from '../src/checkers/latch.js';
import { Scene } from './latch/scene.js';
import { type Situation, situations } from './latch/situations.js';
import { type LatchWorkload, latchWorkload, withinMs } from './latch/workload.js';
import { compactAtMoments } from './support/compaction.js';
import { activeWindows } from './support/plan.js';
import type { Property } from './support/property.js';
import { settle } from './support/settle.js';
import type { World } from './support/world.js';

const safetyMs = 8_000;
const livenessMs = 120_000;
/** Requests may arrive so late. */
const afterlifeMs = 9_000;

async function run(world: World<LatchWorkload>): Promise<void> {
  const { workload } = world;
  const scene = new Scene(world);
  for (const callers of workload.processes) scene.seats.start(callers);
  compactAtMoments(world, workload.compactEveryMs, safetyMs);
  await world.safetyPhase(() => scene.seats.pending === undefined, safetyMs);
  world.heal();
  scene.seats.isHealed = true;
  const pending = () => {
    scene.arriveForAll();
    return scene.seats.left('waits');
  };
  await settle(world, {
    pending,
    withinMs: livenessMs,
    afterlifeMs,
    judge: () => judge(world, scene),
  });
  judge(world, scene);
}

function judge(world: World<LatchWorkload>, scene: Scene): void {
  const { simulation, workload, plan } = world;
  const history = new History(simulation.history);
  const { prefix, arrivals, waits } = scene;
  const isCompacted =
    workload.compactEveryMs > 0 || activeWindows(plan).some(({ kind }) => kind === 'compaction');
  const counts = checkLatch({
    ...{ history, prefix, count: workload.count, arrivals, waits },
    mayBeUntold: isCompacted,
  });
  const reached = (situation: Situation, times: number) => world.reached(situation, times);
  reached('the latch opened', counts.isOpen ? 1 : 0);
  reached('an arrival was said again', counts.again);
  const untold = arrivals.filter(({ told }) => told === undefined).length;
  reached('a call that counts down was told nothing', untold);
}

export const latchProperty: Property<LatchWorkload> = {
  module: 'latch',
  invariants: ['LATCH-1', 'LATCH-2', 'LATCH-3'],
  workload: latchWorkload,
  faults: { maxWindows: 12, withinMs },
  sometimes: situations,
  runs: 400,
  run,
};
