/**
 * A topic: processes that publish, some under keys, lose their patience, crash and pause; members of two groups that come and go, fail
 * and acknowledge late; readers from the start, from now and from where they were; seeks, retention, and history that is compacted
 * under them. Everything that was told is judged by the history of the keys; once all or a core is healed every call is answered,
 * every group has dealt with everything, and every reader was given it.
 */

import type { Property } from './support/property.js';
import { runCallers } from './support/run-callers.js';
import type { World } from './support/world.js';
import { behind, judge } from './topic/judge.js';
import { Scene } from './topic/scene.js';
import { situations } from './topic/situations.js';
import { type TopicWorkload, topicWorkload, withinMs } from './topic/workload.js';

/** As long as a session may take to be had again, and a watch that fell silent to be noticed; see the value. */
const livenessMs = 8_000 + 20_000 + 9_000 + 15_000 + 16 * 5_000;

async function run(world: World<TopicWorkload>): Promise<void> {
  const scene = new Scene(world);
  await runCallers(world, scene, {
    ...{ atLast: () => behind(world, scene), livenessMs },
    judge: (when) => judge(world, scene, when),
  });
}

export const topicProperty: Property<TopicWorkload> = {
  module: 'topic',
  invariants: [
    'TOPIC-1',
    'TOPIC-2',
    'TOPIC-3',
    'TOPIC-4',
    'TOPIC-5',
    'TOPIC-6',
    'TOPIC-7',
    'TOPIC-8',
    'TOPIC-9',
  ],
  workload: topicWorkload,
  faults: { maxWindows: 12, withinMs },
  sometimes: situations,
  runs: 600,
  run,
};
