/**
 * The condition: producers and consumers of a bounded buffer in several processes, who wait while it is full or empty and notify
 * each other. They lose their patience, crash and pause while they wait or hold the lock, and an administrator deletes their
 * keys. Who may have died with a notification has it made up for, as the documentation says, by whoever starts or goes on;
 * so if anybody waits for what has come, when all is healed, a wake-up was lost.
 */
import { prefixRange } from '../src/store/index.js';
import { judge } from './condition/judge.js';
import { Scene } from './condition/scene.js';
import { situations } from './condition/situations.js';
import { type ConditionWorkload, conditionWorkload, withinMs } from './condition/workload.js';
import { compactAtMoments } from './support/compaction.js';
import type { Property } from './support/property.js';
import type { World } from './support/world.js';

const safetyMs = 9_000;
/** As long as that of the mutex, and for its reasons: see there. */
const livenessMs = 8_000 + 20_000 + 9_000 + 15_000 + 32 * 5_000;
/** Requests may arrive so late. */
const afterlifeMs = 9_000;
/** Those who are left broken may die with notifications at any time, so somebody makes up for them now and then. */
const makeUpEveryMs = 10_000;

async function run(world: World<ConditionWorkload>): Promise<void> {
  const { workload, simulation, plan } = world;
  const scene = new Scene(world);
  for (const callers of workload.processes) scene.startProcess(callers);
  compactAtMoments(world, workload.compactEveryMs, safetyMs);
  const { deeds } = workload;
  for (const deed of deeds.toSorted((one, other) => one.atMs - other.atMs)) {
    await (deed.target % 2 === 0 ? scene.lockKeys : scene.waiterKeys).doAll([deed]);
  }
  await world.safetyPhase(() => scene.stuck() === undefined, safetyMs);
  world.heal();
  scene.isHealed = true;
  try {
    // Whoever deletes keys by hand makes up for what was lost by it.
    if (deeds.length > 0) void scene.tellAll();
    let untilMs = scene.nowMs() + makeUpEveryMs;
    const pending = () => {
      if (plan.knobs.heal === 'core' && scene.nowMs() > untilMs) {
        untilMs += makeUpEveryMs;
        void scene.tellAll();
      }
      return scene.stuck();
    };
    await world.livenessPhase(pending, livenessMs);
    const isDone = () => scene.processes.every(({ isCore, status }) => !isCore || status === 'finished');
    if (!isDone()) scene.reached('somebody waits for what will not come, and nobody else');
    void scene.tellAll(undefined, true);
    await world.livenessPhase(() => (isDone() ? undefined : 'somebody waits at a closed buffer'), livenessMs);
  } catch (error) {
    // What was done wrong says more than what was not done.
    judge(world, scene, { drained: false });
    throw error;
  }
  // What was sent long ago and still arrives must leave nothing behind.
  await world.run(afterlifeMs);
  const isEmpty = () =>
    [scene.line, scene.waiters].every(
      (prefix) => simulation.engine.range({ ...prefixRange(prefix), countOnly: true }).count === 0,
    );
  await world.runUntil(isEmpty, livenessMs);
  judge(world, scene, { drained: true });
}

export const conditionProperty: Property<ConditionWorkload> = {
  module: 'condition',
  invariants: ['CONDITION-1', 'CONDITION-2', 'CONDITION-3', 'LOCK-1', 'LOCK-2', 'LOCK-4', 'LOCK-5', 'LOCK-9'],
  workload: conditionWorkload,
  faults: { maxWindows: 14, withinMs },
  sometimes: situations,
  runs: 600,
  run,
};
