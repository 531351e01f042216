/**
 * The queue: producers that lose their connections and their patience, workers that crash, pause, close and acknowledge late,
 * dispatchers that depose each other, while history is compacted under them. The whole history is replayed, and once
 * all or a core is healed everything must be done by whoever is left.
 */
import { FifoQueue } from '../src/queues/index.js';
import { runQueue } from './queue/run.js';
import { situations } from './queue/situations.js';
import { type QueueWorkload, queueWorkload } from './queue/workload.js';
import type { Property } from './support/property.js';

export const queueProperty: Property<QueueWorkload> = {
  module: 'queue',
  invariants: ['QUEUE-1', 'QUEUE-2', 'QUEUE-3', 'QUEUE-4', 'QUEUE-5', 'QUEUE-6', 'QUEUE-7', 'QUEUE-8'],
  workload: queueWorkload,
  faults: { maxWindows: 8, withinMs: 6_000 },
  sometimes: situations,
  runs: 900,
  run: (world) =>
    runQueue(world, { kind: 'fifo', open: (client, name) => new FifoQueue<string>(client, name) }),
};
