/**
 * An atomic value: processes that read, replace, update and delete it, under guards too, lose their patience, crash and pause,
 * while others watch it and read its changes, and history is compacted under them. Every call is judged by the history of its
 * key and by a search for an order; once all or a core is healed every call is answered, and all who watch are told the last.
 */

import type { Property } from './support/property.js';
import { runCallers } from './support/run-callers.js';
import type { World } from './support/world.js';
import { judge } from './value/judge.js';
import { Scene } from './value/scene.js';
import { situations } from './value/situations.js';
import { type ValueWorkload, valueWorkload, withinMs } from './value/workload.js';

/** As long as a session and a hold may take to be had again, and a watch that fell silent to be noticed; see the mutex. */
const livenessMs = 8_000 + 20_000 + 9_000 + 15_000 + 16 * 5_000;

async function run(world: World<ValueWorkload>): Promise<void> {
  const scene = new Scene(world);
  await runCallers(world, scene, {
    ...{ atLast: () => scene.watching.behind(), livenessMs },
    judge: (when) => judge(world, scene, when),
  });
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
