/**
 * The election: candidates that lose their patience, leaders that crash, pause, sleep and write on too long, an administrator
 * who deposes them and revokes their leases, observers that are cut off, history compacted under all of them. The history
 * is judged, and what each process believed and was told; and once all or a core is healed, whoever is left leads in
 * turn, and whoever observes sees it.
 */
import { broken } from '../src/checkers/sentences.js';
import { prefixRange } from '../src/store/index.js';
import { depose, leadLast } from './election/calm.js';
import { judge } from './election/judge.js';
import { Scene } from './election/scene.js';
import { situations } from './election/situations.js';
import { type ElectionWorkload, electionWorkload, withinMs } from './election/workload.js';
import { compactAtMoments } from './support/compaction.js';
import type { Property } from './support/property.js';
import { settle } from './support/settle.js';
import type { World } from './support/world.js';

const safetyMs = 9_000;
/** As of the mutex: what a healing leaves to be noticed, and then everybody's turn (at most 32 terms). */
const livenessMs = 8_000 + 20_000 + 9_000 + 15_000 + 32 * 5_000;
/** Requests may arrive so late; and by then everybody has noticed what became of its connection. */
const afterlifeMs = 9_000;

async function run(world: World<ElectionWorkload>): Promise<void> {
  const { workload, simulation } = world;
  const scene = new Scene(world);
  for (const plan of workload.processes) scene.startProcess(plan);
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
    judge: () => judge(world, scene, { counted: false }),
  });
  // What was sent long ago must leave nothing behind.
  const count = (prefix: string) =>
    simulation.engine.range({ ...prefixRange(prefix), countOnly: true }).count;
  await world.runUntil(() => count(scene.line) + count(scene.leader) === 0, livenessMs);
  judge(world, scene, { counted: true });
  if (count(scene.line) > 0) broken('LOCK-4', 'candidates are left that nobody waits for');
  if (count(scene.leader) > 0) broken('ELECTION-3', 'nobody stands, and the key still says who leads');
  await leadLast(world, scene);
  await depose(world, scene);
  judge(world, scene, { counted: false });
}

function pending({ processes }: Scene): string | undefined {
  const waiting = processes.find(({ isCore, status }) => isCore && status !== 'finished');
  return waiting && `${waiting.name} wants to lead`;
}

export const electionProperty: Property<ElectionWorkload> = {
  module: 'election',
  invariants: [
    ...['ELECTION-1', 'ELECTION-2', 'ELECTION-3', 'ELECTION-4', 'ELECTION-5', 'ELECTION-6'],
    ...['LOCK-4', 'LOCK-6'],
  ],
  workload: electionWorkload,
  faults: { maxWindows: 14, withinMs },
  sometimes: situations,
  runs: 1_500,
  run,
};
