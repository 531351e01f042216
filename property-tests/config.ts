/**
 * The configuration: processes that read it, change it, roll changes out, promote and abort them, propose, approve and publish, and
 * now and then another program that writes what no schema allows, deletes a vote, or puts a proposal whose key passes for that of
 * another; some take one id for several calls; they lose their patience, crash and pause, watches break, and history is compacted
 * under them. What every reader was given is compared with what stood in the store at that revision; every change with what was asked
 * for; and once all or a core is healed every reader is given the newest.
 */
import { judge } from './config/judge.js';
import { Scene } from './config/scene.js';
import { situations } from './config/situations.js';
import { type ConfigWorkload, configWorkload, withinMs } from './config/workload.js';
import type { Property } from './support/property.js';
import { runCallers } from './support/run-callers.js';
import type { World } from './support/world.js';

/** As long as a watch that fell silent takes to be noticed, and what waits behind it to be done. */
const livenessMs = 60_000;

async function run(world: World<ConfigWorkload>): Promise<void> {
  const scene = new Scene(world);
  await runCallers(world, scene, {
    ...{ atLast: () => mending(scene), livenessMs },
    judge: (when) => judge(world, scene, when),
  });
}

/** Every document is made right, and then every reader is given that. */
function mending(scene: Scene): string | undefined {
  if (scene.isMended) return scene.reading.behind();
  scene.mend();
  return 'the documents are not made right';
}

export const configProperty: Property<ConfigWorkload> = {
  module: 'config',
  invariants: Array.from({ length: 9 }, (_none, index) => `CONFIG-${index + 1}`),
  workload: configWorkload,
  faults: { maxWindows: 12, withinMs },
  sometimes: situations,
  runs: 700,
  run,
};
