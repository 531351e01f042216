/**
 * An atomic value: processes that read, replace, update and delete it, under guards too, lose their patience, crash and pause,
 * while others watch it and read its changes, and history is compacted under them. Every call is judged by the history of its
 * key and by a search for an order; once all or a core is healed every call is answered, and all who watch are told the last.
 */

import { compactAtMoments } from './support/compaction.js';
import type { Property } from './support/property.js';
import { settle } from './support/settle.js';
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
  const { workload } = world;
  const scene = new Scene(world);
  for (const process of workload.processes) scene.start(process);
  bring(world, workload.weather, workload.processes.length, safetyMs);
  compactAtMoments(world, workload.compactEveryMs, safetyMs);
  await scene.seats.safetyPhase(safetyMs);
  await settle(world, {
    pending: () => scene.seats.left('has calls that are not answered'),
    atLast: () => scene.watching.behind(),
    withinMs: livenessMs,
    afterlifeMs,
    judge: () => judge(world, scene, { isOver: false }),
  });
  judge(world, scene, { isOver: true });
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
