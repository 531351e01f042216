/**
 * A queue with priorities, under all that befalls a queue without (queue.ts): producers put items of several priorities, some of
 * which are used for the first time while others wait, and dispatchers read some levels while the watch tells of others.
 */
import { checkQueuePriority, checkQueueRules } from '../src/checkers/index.js';
import { PriorityQueue } from '../src/queues/index.js';
import type { Runtime } from '../src/runtime/index.js';
import type { Flavour } from './queue/processes.js';
import { runQueue } from './queue/run.js';
import { situations, situationsIn } from './queue-priority/situations.js';
import { type PriorityWorkload, priorityWorkload } from './queue-priority/workload.js';
import type { Property } from './support/property.js';
import type { World } from './support/world.js';

function flavourOf({ priorities, alike, keyed, watchLagMs }: PriorityWorkload): Flavour {
  const drawn = (runtime: Runtime) => priorities[Math.floor(runtime.random() * priorities.length)];
  return {
    kind: 'priority',
    watchLagMs,
    open: (client, name) => new PriorityQueue<string>(client, name),
    optionsOf: (count, runtime) => {
      const ofAll = drawn(runtime);
      return Array.from({ length: count }, () => ({
        priority: alike ? ofAll : drawn(runtime),
        key: runtime.random() < keyed ? 'k' : undefined,
      }));
    },
  };
}

function run(world: World<PriorityWorkload>): Promise<void> {
  return runQueue(world, flavourOf(world.workload), (history, prefix) => {
    const counts = checkQueuePriority({ history, prefix });
    checkQueueRules({ history, prefix });
    for (const [situation, times] of situationsIn(counts)) world.reached(situation, times);
  });
}

export const queuePriorityProperty: Property<PriorityWorkload> = {
  module: 'queue-priority',
  invariants: [
    'QUEUE-1',
    'QUEUE-2',
    'QUEUE-3',
    'QUEUE-5',
    'QUEUE-6',
    'QUEUE-7',
    'QUEUE-8',
    'QUEUE-10',
    'QUEUE-20',
    'QUEUE-21',
  ],
  workload: priorityWorkload,
  faults: { maxWindows: 8, withinMs: 6_000 },
  sometimes: situations,
  runs: 800,
  run,
};
