/**
 * A queue whose items may wait before they enter it: delays that end below the gate, in backlogs and beside windows that are being
 * read, items cancelled and purged while they wait, dispatchers that depose each other, crash and stand still between a stamp
 * and its firing. The whole history is replayed, for the delays and for the order of what is given out, and once all or a
 * core is healed everything must be done by whoever is left.
 */
import { checkQueueDelays, checkQueueRules, History } from '../src/checkers/index.js';
import type { Engine } from '../src/engine/index.js';
import type { QueueKeys } from '../src/queues/keys.js';
import { prefix, Scene, safetyMs } from './queue-delays/scene.js';
import { situations, situationsIn } from './queue-delays/situations.js';
import { type DelaysWorkload, delaysWorkload, type WorkerPlan } from './queue-delays/workload.js';
import type { Property } from './support/property.js';
import type { World } from './support/world.js';

/** As for the queue's own property, whose parts are told there, and the longest delay anew. */
const livenessMs = 156_000 + 7_000;
/** Requests may arrive so late. */
const afterlifeMs = 7_000;

const freshWorker: WorkerPlan = {
  ...{ concurrency: 4, prefetch: 4, handlerMs: 5, failing: 0, closeAfterMs: 0, muteAfterMs: 0 },
  ...{ frailWatches: false, hesitateMs: 0, hesitateNth: 1, fallsAtFiring: 0, slowReadsMs: 0 },
};

async function run(world: World<DelaysWorkload>): Promise<void> {
  const { simulation, workload, plan } = world;
  const scene = new Scene(world);
  for (const each of workload.operators) scene.startOperator(each);
  for (const each of workload.workers) scene.startWorker(each);
  for (const each of workload.producers) scene.startProducer(each);
  const { compactEveryMs: everyMs } = workload;
  for (let atMs = everyMs; everyMs > 0 && atMs < safetyMs; atMs += everyMs) {
    simulation.inject({ atMs, durationMs: everyMs, kind: 'compaction', target: 0 });
  }
  await world.safetyPhase(() => scene.producers.every(({ status }) => status === 'finished'), safetyMs);
  world.heal();
  scene.isHealed = true;
  scene.startTidying();
  if (!scene.workers.some(({ isCore }) => isCore)) scene.startWorker(freshWorker);
  const check = (settled: boolean) => {
    const { clockRateError } = plan.knobs;
    const parts = { history: new History(simulation.history), prefix, settled, clockRateError };
    checkQueueRules(parts);
    return checkQueueDelays({ ...parts, mayPurge: workload.mayPurge });
  };
  try {
    await world.livenessPhase(() => pending(scene, simulation.engine), livenessMs);
  } catch (error) {
    // What was done wrong says more than what was not done.
    check(false);
    throw error;
  }
  // What was sent long ago and still arrives must change nothing, or, from a producer that was not healed, be done too.
  await world.run(afterlifeMs);
  await world.livenessPhase(() => pending(scene, simulation.engine), livenessMs);
  for (const [situation, times] of situationsIn(check(true))) world.reached(situation, times);
}

function pending(scene: Scene, engine: Engine): string | undefined {
  const { keys } = scene;
  const producer = scene.producers.find(({ isCore, status }) => isCore && status !== 'finished');
  if (producer !== undefined) return `${producer.name} enqueues`;
  const ranges = [keys.items, keys.delayed, keys.freshDelays, keys.timers, keys.cancellations];
  for (const range of ranges) {
    const left = firstIn(engine, keys, range);
    if (left !== undefined) return `${left} is left`;
  }
  return undefined;
}

function firstIn(engine: Engine, keys: QueueKeys, range: QueueKeys['items']): string | undefined {
  const [first] = engine.range({ ...range, limit: 1, keysOnly: true }).kvs;
  return first?.key.slice(keys.prefix.length);
}

export const queueDelaysProperty: Property<DelaysWorkload> = {
  module: 'queue-delays',
  invariants: ['QUEUE-4', 'QUEUE-13', 'QUEUE-22', 'QUEUE-23'],
  workload: delaysWorkload,
  faults: { maxWindows: 6, withinMs: 5_000 },
  sometimes: situations,
  runs: 500,
  run,
};
