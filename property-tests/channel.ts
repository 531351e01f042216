/**
 * Channels: processes that publish, alone, together and under guards, lose their patience, crash and pause, while others
 * subscribe, fast and slow, to one channel or to several, leave and go on from where they were, and history is compacted under
 * them. Every message and every item that was told is judged by the history of the keys; once all or a core is healed every call
 * is answered, and all who subscribe are told the last.
 */
import { judge } from './channel/judge.js';
import { Scene } from './channel/scene.js';
import { situations } from './channel/situations.js';
import { type ChannelWorkload, channelWorkload, withinMs } from './channel/workload.js';
import type { Property } from './support/property.js';
import { runCallers } from './support/run-callers.js';
import type { World } from './support/world.js';

/** As long as a session and a hold may take to be had again, and a watch that fell silent to be noticed; see the mutex. */
const livenessMs = 8_000 + 20_000 + 9_000 + 15_000 + 16 * 5_000;

async function run(world: World<ChannelWorkload>): Promise<void> {
  const scene = new Scene(world);
  await runCallers(world, scene, {
    ...{ atLast: () => scene.subscribers.behind(), livenessMs },
    judge: (when) => judge(world, scene, when),
  });
}

export const channelProperty: Property<ChannelWorkload> = {
  module: 'channel',
  invariants: ['CHANNEL-1', 'CHANNEL-2', 'CHANNEL-3', 'CHANNEL-4', 'CHANNEL-5', 'CHANNEL-6', 'CHANNEL-7'],
  workload: channelWorkload,
  faults: { maxWindows: 12, withinMs },
  sometimes: situations,
  runs: 700,
  run,
};
