/**
 * Condition queues: producers that overlap, controllers that set gates, cancel and purge what gathers and change the definition while
 * releases are in flight, tasks that come in the wrong order and fail, dispatchers that depose each other, history that is
 * compacted. The whole history is replayed, and once all or a core is healed everything that a condition lets go must be done.
 */
import { checkQueueConditions, History } from '../src/checkers/index.js';
import type { Engine } from '../src/engine/index.js';
import { releasedIn, releasedKey } from '../src/queues/conditions/condition-keys.js';
import { prefix, Scene, safetyMs } from './queue-conditions/scene.js';
import { situations, situationsIn } from './queue-conditions/situations.js';
import { type ConditionsWorkload, conditionsWorkload, type WorkerPlan } from './queue-conditions/workload.js';
import type { Property } from './support/property.js';
import type { World } from './support/world.js';

/** As for the queue's own property, whose parts are told there. */
const livenessMs = 156_000;
/** Requests may arrive so late. */
const afterlifeMs = 7_000;
/** For the releases of what the condition still lets go, once producers have ended. */
const calmMs = 3_000;

const freshWorker: WorkerPlan = {
  ...{ concurrency: 4, prefetch: 4, handlerMs: 5, failing: 0, closeAfterMs: 0, muteAfterMs: 0 },
  ...{ frailWatches: false, hesitateMs: 0, hesitateNth: 1 },
};

async function run(world: World<ConditionsWorkload>): Promise<void> {
  const { simulation, workload } = world;
  const scene = new Scene(world);
  for (const each of workload.workers) scene.startWorker(each);
  for (const each of workload.producers) scene.startProducer(each);
  for (const each of workload.controllers) scene.startController(each);
  await world.safetyPhase(() => scene.producers.every(({ status }) => status === 'finished'), safetyMs);
  world.heal();
  scene.isHealed = true;
  scene.startTidying();
  if (!scene.workers.some(({ isCore }) => isCore)) scene.startWorker(freshWorker);
  const check = (settled: boolean) =>
    checkQueueConditions({ history: new History(simulation.history), prefix, settled });
  const calmDown = () => {
    let isReleasedSinceMs: number | undefined;
    return world.livenessPhase(() => {
      const left = pending(scene, simulation.engine);
      if (left !== undefined) isReleasedSinceMs = undefined;
      else isReleasedSinceMs ??= simulation.nowMs;
      if (left !== undefined) return left;
      return simulation.nowMs - (isReleasedSinceMs ?? 0) < calmMs ? 'it is not calm' : undefined;
    }, livenessMs);
  };
  try {
    await calmDown();
  } catch (error) {
    // What was done wrong says more than what was not done.
    check(false);
    throw error;
  }
  // What was sent long ago and still arrives must change nothing, or, from a producer that was not healed, be done too.
  await world.run(afterlifeMs);
  await calmDown();
  for (const [situation, times] of situationsIn(check(true))) world.reached(situation, times);
}

/** Released and not done, or what a condition that holds would release. */
function pending(scene: Scene, engine: Engine): string | undefined {
  const { keys } = scene;
  const producer = scene.producers.find(({ isCore, status }) => isCore && status !== 'finished');
  if (producer !== undefined) return `${producer.name} enqueues`;
  const { upTo } = releasedIn(engine.range({ key: releasedKey(keys) }).kvs[0]);
  const [left] = engine.range({ ...keys.itemsBetween('', upTo), limit: 1, keysOnly: true }).kvs;
  if (left !== undefined) return `${left.key} is released and left`;
  const [cancelled] = engine.range({ ...keys.cancellations, limit: 1, keysOnly: true }).kvs;
  return cancelled && `${cancelled.key} is left`;
}

export const queueConditionsProperty: Property<ConditionsWorkload> = {
  module: 'queue-conditions',
  invariants: ['QUEUE-25', 'QUEUE-26', 'QUEUE-27'],
  workload: conditionsWorkload,
  faults: { maxWindows: 6, withinMs: 5_000 },
  sometimes: situations,
  runs: 400,
  run,
};
