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
import { compactAtMoments } from './support/compaction.js';
import type { Property } from './support/property.js';
import { settle } from './support/settle.js';
import { bring } from './support/weather.js';
import type { World } from './support/world.js';

const safetyMs = 9_000;
/** As long as a session and a hold may take to be had again, and a watch that fell silent to be noticed; see the mutex. */
const livenessMs = 8_000 + 20_000 + 9_000 + 15_000 + 16 * 5_000;
/** Requests may arrive so late. */
const afterlifeMs = 9_000;

async function run(world: World<ChannelWorkload>): Promise<void> {
  const { workload } = world;
  const scene = new Scene(world);
  for (const process of workload.processes) scene.start(process);
  bring(world, workload.weather, workload.processes.length, safetyMs);
  compactAtMoments(world, workload.compactEveryMs, safetyMs);
  await scene.seats.safetyPhase(safetyMs);
  await settle(world, {
    pending: () => scene.seats.left('has calls that are not answered'),
    atLast: () => scene.subscribers.behind(),
    withinMs: livenessMs,
    afterlifeMs,
    judge: () => judge(world, scene, { isOver: false }),
  });
  judge(world, scene, { isOver: true });
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
