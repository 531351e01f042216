/**
 * A replicated map: processes that write to it, compare and update, lose their patience, crash and pause, while a program that knows
 * nothing of them writes too, history is compacted under them, and it is too much at times. Everything that their replicas show, and
 * tell to listeners and followers, is held against the history of the entries, and so is how fresh they call themselves; once all or
 * a core is healed every call is answered, and all replicas come to show the last.
 */

import { bytesOf, type Op } from '../src/store/index.js';
import { excessive, writeAsForeigner } from './replica/foreign.js';
import { judge } from './replica/judge.js';
import { Scene } from './replica/scene.js';
import { situations } from './replica/situations.js';
import { type ReplicaWorkload, replicaWorkload, withinMs } from './replica/workload.js';
import { compactEvery } from './support/compaction.js';
import type { Property } from './support/property.js';
import { bring } from './support/weather.js';
import type { World } from './support/world.js';

const safetyMs = 9_000;
/** As long as a watch that fell silent takes to be noticed, and a replica that was too small to look again; see the value. */
const livenessMs = 8_000 + 20_000 + 9_000 + 15_000 + 16 * 5_000;
/** Requests may arrive so late. */
const afterlifeMs = 9_000;

async function run(world: World<ReplicaWorkload>): Promise<void> {
  const { workload } = world;
  const scene = new Scene(world);
  await prefill(world, scene);
  for (const process of workload.processes) scene.start(process);
  if (workload.foreignEveryMs > 0 || workload.excess) {
    const { entries, stamp, seats } = scene;
    const isHealed = () => seats.isHealed;
    world.start('a foreigner', (context) =>
      writeAsForeigner(context, { workload, entries, stamp, isHealed }),
    );
  }
  bring(world, workload.weather, workload.processes.length, safetyMs);
  if (workload.watches === 'slow') slowWatches(world);
  if (workload.watches === 'silent') silenceWatches(world);
  compactEvery(world, workload.compactEveryMs, safetyMs);
  await scene.seats.safetyPhase(safetyMs);
  try {
    await tidyUp(world, scene);
    await world.livenessPhase(() => scene.seats.left('has calls that are not answered'), livenessMs);
    // What was sent long ago may still arrive.
    await world.run(afterlifeMs);
    await tidyUp(world, scene);
    await world.livenessPhase(() => scene.observing.behind(), livenessMs);
  } catch (error) {
    // What was done wrong says more than what was not done.
    judge(world, scene, { isOver: false });
    throw error;
  }
  judge(world, scene, { isOver: true });
}

function slowWatches({ simulation, workload, plan }: World<ReplicaWorkload>): void {
  const window = { atMs: 0, durationMs: safetyMs };
  for (const target of workload.processes.keys())
    simulation.inject({ ...window, kind: 'slow-watches', target });
  for (let target = 0; target < plan.knobs.members; target += 1) {
    simulation.inject({ ...window, kind: 'member-lag', target });
  }
}

function silenceWatches({ simulation, workload }: World<ReplicaWorkload>): void {
  const window = { atMs: 300, durationMs: safetyMs - 1_000 };
  for (const target of workload.processes.keys())
    simulation.inject({ ...window, kind: 'silent-watches', target });
}

/** What is there before anybody comes, as far as it arrives. */
async function prefill(world: World<ReplicaWorkload>, { entries }: Scene): Promise<void> {
  const { prefilled } = world.workload;
  if (prefilled === 0) return;
  const success = Array.from({ length: prefilled }, (_none, index): Op => {
    return { type: 'put', key: `${entries}n${index}`, value: bytesOf(`f-prefilled-${index}`) };
  });
  await write(world, success, false);
}

/** What was too much is taken away. */
async function tidyUp(world: World<ReplicaWorkload>, { entries, stamp }: Scene): Promise<void> {
  if (!world.workload.excess) return;
  const deletions = excessive.map((name): Op => ({ type: 'delete', key: entries + name }));
  await write(world, [...deletions, { type: 'put', key: stamp, value: bytesOf('') }], true);
}

/** By a connection that no fault befalls; until it is answered, if it must be. */
async function write(world: World<ReplicaWorkload>, success: readonly Op[], mustBe: boolean): Promise<void> {
  const store = world.simulation.connect();
  let isDone = false;
  const send = async () => {
    do {
      isDone = await store.txn({ compare: [], success, failure: [] }, { timeoutMs: 1_000 }).then(
        () => true,
        () => !mustBe,
      );
    } while (!isDone);
  };
  void send();
  await world.runUntil(() => isDone, mustBe ? livenessMs : 1_500);
}

export const replicaProperty: Property<ReplicaWorkload> = {
  module: 'replica',
  invariants: ['REPLICA-1', 'REPLICA-2', 'REPLICA-3', 'REPLICA-4', 'REPLICA-5', 'REPLICA-6', 'REPLICA-7'],
  workload: replicaWorkload,
  faults: { maxWindows: 12, withinMs },
  sometimes: situations,
  runs: 700,
  run,
};
