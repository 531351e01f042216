/**
 * The election: candidates that withdraw, lead and resign, processes that crash, pause and sleep while they lead, an
 * administrator who deletes their places and revokes their leases, observers that are cut off and slow. The history is judged,
 * and what each leader believed and each observer was told; and once all or a core is healed, whoever is left gets to
 * lead, and every observer that is left sees the last of them.
 */
import type { Leadership } from '../src/election/index.js';
import { judge } from './election/judge.js';
import { Scene } from './election/scene.js';
import { situations } from './election/situations.js';
import { type ElectionWorkload, electionWorkload, withinMs } from './election/workload.js';
import type { Property } from './support/property.js';
import type { World } from './support/world.js';

const safetyMs = 9_000;
/** As of the mutex: cuts that are noticed late, leases that run on, calls that were lost, and everybody's turn. */
const livenessMs = 8_000 + 20_000 + 9_000 + 15_000 + 16 * 5_000;
/** Requests may arrive so late; and by then everybody has noticed what became of its connection. */
const afterlifeMs = 9_000;
const observersMs = 60_000;

async function run(world: World<ElectionWorkload>): Promise<void> {
  const { workload, simulation } = world;
  const scene = new Scene(world);
  for (const candidate of workload.candidates) scene.startProcess(candidate);
  const { compactEveryMs } = workload;
  for (let atMs = 0; compactEveryMs > 0 && atMs < safetyMs; atMs += compactEveryMs) {
    simulation.inject({ kind: 'compaction', atMs, durationMs: 1, target: 0 });
  }
  await scene.administrator.doAll(workload.deeds);
  await world.safetyPhase(() => scene.processes.every(({ status }) => status === 'finished'), safetyMs);
  world.heal();
  scene.isHealed = true;
  try {
    await world.livenessPhase(() => pending(scene), livenessMs);
    // What was sent long ago and still arrives must change nothing.
    await world.run(afterlifeMs);
    const last = await lastTerm(world, scene);
    await world.livenessPhase(() => unseen(scene, last), observersMs);
    judge(world, scene, last);
  } catch (error) {
    // What was done wrong says more than what was not done.
    judge(world, scene, undefined);
    throw error;
  }
}

function pending({ processes }: Scene): string | undefined {
  const waiting = processes.find(({ isCore, status }) => isCore && status !== 'finished');
  return waiting && `${waiting.name} wants to lead`;
}

/** Somebody who is left leads once more, and does not resign. */
async function lastTerm(world: World<ElectionWorkload>, scene: Scene): Promise<number> {
  let leadership: Leadership | undefined;
  const seat = world.random.pick(scene.coreSeats);
  void seat.election.campaign({ value: 'the last' }).then((won) => {
    leadership = won;
  });
  await world.livenessPhase(
    () => (leadership ? undefined : `${seat.process.name} wants to lead last`),
    livenessMs,
  );
  return leadership?.term ?? 0;
}

function unseen({ observations }: Scene, last: number): string | undefined {
  const blind = observations.find(({ process, incarnation, views }) => {
    const view = views.at(-1);
    const isPresent = process.isCore && process.incarnation === incarnation;
    return isPresent && !(view?.status === 'leader' && view.term === last);
  });
  return blind && `${blind.process.name} looks for the leader of term ${last}`;
}

export const electionProperty: Property<ElectionWorkload> = {
  module: 'election',
  invariants: ['ELECTION-1', 'ELECTION-2', 'ELECTION-3', 'ELECTION-4', 'ELECTION-5', 'ELECTION-6'],
  workload: electionWorkload,
  faults: { maxWindows: 14, withinMs },
  sometimes: situations,
  runs: 1_500,
  run,
};
