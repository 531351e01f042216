/**
 * Transactions: callers of several processes that read and write a few keys and the range of them, at all levels of isolation, some
 * under a session or a hold. They lose their patience, throw, think too long, crash and pause in the middle, and an administrator
 * deletes their places in the lines of hot keys. All they saw is held against the history, and once all or a core is
 * healed everybody gets through.
 */
import { prefixRange } from '../src/store/index.js';
import { judge } from './stm/judge.js';
import { Scene } from './stm/scene.js';
import { situations } from './stm/situations.js';
import { type StmWorkload, stmWorkload, withinMs } from './stm/workload.js';
import { compactAtMoments } from './support/compaction.js';
import type { Property } from './support/property.js';
import { settle } from './support/settle.js';
import type { World } from './support/world.js';

const safetyMs = 9_000;
/** As long as that of the mutex, and for its reasons: see there. */
const livenessMs = 8_000 + 20_000 + 9_000 + 15_000 + 32 * 5_000;
/** Requests may arrive so late. */
const afterlifeMs = 9_000;

async function run(world: World<StmWorkload>): Promise<void> {
  const { workload, simulation } = world;
  const scene = new Scene(world);
  for (const callers of workload.processes) scene.startProcess(callers);
  compactAtMoments(world, workload.compactEveryMs, safetyMs);
  await scene.administrator.doAll(workload.deeds);
  const isDone = () => scene.processes.every(({ status }) => status === 'finished');
  await world.safetyPhase(isDone, safetyMs);
  world.heal();
  scene.isHealed = true;
  await settle(world, {
    pending: () => pending(scene),
    withinMs: livenessMs,
    afterlifeMs,
    judge: () => judge(world, scene, { drained: false }),
  });
  // What was sent long ago and still arrives must leave nothing behind.
  const places = () =>
    simulation.engine
      .range({ ...prefixRange(scene.lines), keysOnly: true })
      .kvs.filter(({ key }) => key.includes('/l/'));
  await world.runUntil(() => places().length === 0, livenessMs);
  judge(world, scene, { drained: true });
}

function pending({ processes }: Scene): string | undefined {
  const waiting = processes.find(({ isCore, status }) => isCore && status !== 'finished');
  return waiting && `${waiting.name} has transactions to run`;
}

export const stmProperty: Property<StmWorkload> = {
  module: 'stm',
  invariants: ['STM-1', 'STM-2', 'STM-3', 'STM-4', 'STM-5', 'STM-6', 'LOCK-4'],
  workload: stmWorkload,
  faults: { maxWindows: 14, withinMs },
  sometimes: situations,
  runs: 600,
  run,
};
