/**
 * Configuration on disk: a machine whose processes share a last known good, one of them an agent with a file and a command, while
 * somebody elsewhere changes two documents together. Processes die, pause and are cut off between any two steps of their work with
 * files, the machine crashes and loses what was not synced, somebody changes a file. What anybody finds on disk is judged after
 * every change of it; and once all is healed the file has the last change, and a run has followed it.
 */
import { checkConfigFiles } from '../src/checkers/index.js';
import { Scene } from './config-files/scene.js';
import { situations } from './config-files/situations.js';
import { type ConfigFilesWorkload, configFilesWorkload, withinMs } from './config-files/workload.js';
import type { Property } from './support/property.js';
import { bring } from './support/weather.js';
import type { World } from './support/world.js';

const safetyMs = 7_000;
/** As long as a watch that fell silent takes to be noticed, pauses after failures, and runs. */
const livenessMs = 150_000;

async function run(world: World<ConfigFilesWorkload>): Promise<void> {
  const { weather, processes, crashEveryMs, damageAtMs } = world.workload;
  const scene = new Scene(world);
  bring(world as World, weather, processes.length + 1, safetyMs);
  try {
    let isDamaged = damageAtMs === 0;
    let crashAtMs = crashEveryMs === 0 ? Number.POSITIVE_INFINITY : crashEveryMs;
    const { simulation } = world;
    while (simulation.nowMs < safetyMs) {
      await world.run(50);
      if (simulation.nowMs >= crashAtMs) {
        crashAtMs += crashEveryMs;
        scene.crash();
      }
      if (!isDamaged && simulation.nowMs >= damageAtMs) {
        isDamaged = true;
        scene.damage();
      }
    }
    world.heal();
    scene.isHealed = true;
    await world.livenessPhase(() => scene.pending(), livenessMs);
  } catch (error) {
    // What was done wrong says more than what was not done.
    checkConfigFiles(scene.notes);
    throw error;
  }
  checkConfigFiles(scene.notes);
}

export const configFilesProperty: Property<ConfigFilesWorkload> = {
  module: 'config-files',
  invariants: ['CONFIG-10', 'CONFIG-11', 'CONFIG-12'],
  workload: configFilesWorkload,
  faults: { maxWindows: 8, withinMs },
  sometimes: situations,
  runs: 400,
  run,
};
