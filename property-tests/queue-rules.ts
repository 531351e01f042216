/**
 * The rules of a queue: operators that pause it, change its limits and cancel jobs while assignments are in flight, jobs that
 * share keys and groups, handlers that fail, workers that are lost, dispatchers that depose each other. The whole history
 * is replayed, and once all or a core is healed everything must be done by whoever is left.
 */
import { checkQueueRules, History } from '../src/checkers/index.js';
import type { Engine } from '../src/engine/index.js';
import type { QueueKeys } from '../src/queues/keys.js';
import { prefix, Scene, safetyMs } from './queue-rules/scene.js';
import { situations, situationsIn } from './queue-rules/situations.js';
import { type RulesWorkload, rulesWorkload, type WorkerPlan } from './queue-rules/workload.js';
import type { Property } from './support/property.js';
import type { World } from './support/world.js';

/** As for the queue's own property, whose parts are told there. */
const livenessMs = 156_000;
/** Requests may arrive so late. */
const afterlifeMs = 7_000;

const freshWorker: WorkerPlan = {
  ...{ concurrency: 4, prefetch: 4, handlerMs: 5, failing: 0, closeAfterMs: 0, muteAfterMs: 0 },
  ...{ frailWatches: false, hesitateMs: 0, hesitateNth: 1 },
};

async function run(world: World<RulesWorkload>): Promise<void> {
  const { simulation, workload, plan } = world;
  const scene = new Scene(world);
  const first = { afterMs: 0, does: { type: 'limit', limits: workload.limits } } as const;
  workload.operators.forEach((decisions, index) => {
    scene.startOperator(index === 0 ? [first, ...decisions] : decisions);
  });
  for (const each of workload.workers) scene.startWorker(each);
  for (const each of workload.producers) scene.startProducer(each);
  await world.safetyPhase(() => scene.producers.every(({ status }) => status === 'finished'), safetyMs);
  world.heal();
  scene.isHealed = true;
  scene.startTidying();
  if (!scene.workers.some(({ isCore }) => isCore)) scene.startWorker(freshWorker);
  const check = (settled: boolean) =>
    checkQueueRules({
      ...{ history: new History(simulation.history), prefix, settled },
      clockRateError: plan.knobs.clockRateError,
    });
  try {
    await world.livenessPhase(() => pending(scene, simulation.engine), livenessMs);
  } catch (error) {
    // What was done wrong says more than what was not done.
    check(false);
    throw error;
  }
  // What was sent long ago and still arrives must change nothing.
  await world.run(afterlifeMs);
  for (const [situation, times] of situationsIn(check(true))) world.reached(situation, times);
}

function pending(scene: Scene, engine: Engine): string | undefined {
  const { keys } = scene;
  const producer = scene.producers.find(({ isCore, status }) => isCore && status !== 'finished');
  if (producer !== undefined) return `${producer.name} enqueues`;
  const left = firstIn(engine, keys, keys.items) ?? firstIn(engine, keys, keys.cancellations);
  return left && `${left} is left`;
}

function firstIn(engine: Engine, keys: QueueKeys, range: QueueKeys['items']): string | undefined {
  const [first] = engine.range({ ...range, limit: 1, keysOnly: true }).kvs;
  return first?.key.slice(keys.prefix.length);
}

export const queueRulesProperty: Property<RulesWorkload> = {
  module: 'queue-rules',
  invariants: ['QUEUE-4', 'QUEUE-9', 'QUEUE-10', 'QUEUE-11', 'QUEUE-12', 'QUEUE-13'],
  workload: rulesWorkload,
  faults: { maxWindows: 6, withinMs: 5_000 },
  sometimes: situations,
  runs: 500,
  run,
};
