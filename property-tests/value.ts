/**
 * An atomic value: processes that read, replace, update and delete it, under guards too, lose their patience, crash and pause,
 * while others watch it and read its changes, and history is compacted under them. Every call is judged by the history of its
 * key and by a search for an order; once all or a core is healed every call is answered, and all who watch are told the last.
 */
import type { Property } from './support/property.js';
import { bring } from './support/weather.js';
import type { World } from './support/world.js';
import { judge } from './value/judge.js';
import { Scene } from './value/scene.js';
import { situations } from './value/situations.js';
import { type ValueWorkload, valueWorkload, withinMs } from './value/workload.js';

const safetyMs = 9_000;
/** As long as a session and a hold may take to be had again, and a watch that fell silent to be noticed; see the mutex. */
const livenessMs = 8_000 + 20_000 + 9_000 + 15_000 + 16 * 5_000;
/** Requests may arrive so late. */
const afterlifeMs = 9_000;

async function run(world: World<ValueWorkload>): Promise<void> {
  const { workload, simulation } = world;
  const scene = new Scene(world);
  for (const process of workload.processes) scene.start(process);
  bring(world as World, workload.weather, workload.processes.length, safetyMs);
  for (let atMs = 0; workload.compactEveryMs > 0 && atMs < safetyMs; atMs += workload.compactEveryMs) {
    simulation.inject({ kind: 'compaction', atMs, durationMs: 1, target: 0 });
  }
  const isDone = () => scene.seats.processes.every(({ status }) => status === 'finished');
  await world.safetyPhase(isDone, safetyMs);
  world.heal();
  scene.seats.isHealed = true;
  try {
    await world.livenessPhase(() => pending(scene), livenessMs);
    // What was sent long ago may still arrive.
    await world.run(afterlifeMs);
    await world.livenessPhase(() => scene.watching.behind(), livenessMs);
  } catch (error) {
    // What was done wrong says more than what was not done.
    judge(world, scene, { isOver: false });
    throw error;
  }
  judge(world, scene, { isOver: true });
}

function pending({ seats }: Scene): string | undefined {
  return seats.pending && `${seats.pending.name} has calls that are not answered`;
}

export const valueProperty: Property<ValueWorkload> = {
  module: 'value',
  invariants: ['VALUE-1', 'VALUE-2', 'VALUE-3', 'VALUE-4', 'VALUE-5', 'VALUE-6'],
  workload: valueWorkload,
  faults: { maxWindows: 12, withinMs },
  sometimes: situations,
  runs: 700,
  run,
};
