/**
 * Condition queues: producers that overlap, controllers that set gates, cancel and purge what gathers and change the definition while
 * releases are in flight, tasks that come in the wrong order and fail, dispatchers that depose each other, history that is
 * compacted. The whole history is replayed, and once all or a core is healed everything that a condition lets go must be done.
 */
import { checkQueueConditions, History } from '../src/checkers/index.js';
import type { Engine } from '../src/engine/index.js';
import { releasedIn, releasedKey } from '../src/queues/conditions/condition-keys.js';
import type { Simulation } from '../src/simulator/index.js';
import { prefix, Scene, safetyMs } from './queue-conditions/scene.js';
import { situations, situationsIn } from './queue-conditions/situations.js';
import { type ConditionsWorkload, conditionsWorkload } from './queue-conditions/workload.js';
import type { Property } from './support/property.js';
import { firstIn } from './support/queues/items.js';
import { afterlifeMs, livenessMs } from './support/queues/phases.js';
import { freshWorker } from './support/queues/worker-plan.js';
import { settle } from './support/settle.js';
import type { World } from './support/world.js';

/** For the releases of what the condition still lets go, once producers have ended. */
const calmMs = 3_000;

async function run(world: World<ConditionsWorkload>): Promise<void> {
  const { simulation, workload } = world;
  const scene = new Scene(world);
  for (const each of workload.workers) scene.startWorker(each);
  for (const each of workload.producers) scene.startProducer(each);
  for (const each of workload.controllers) scene.startController(each);
  await world.safetyPhase(() => scene.crew.producers.every(({ status }) => status === 'finished'), safetyMs);
  world.heal();
  scene.crew.isHealed = true;
  scene.startTidying();
  if (!scene.crew.isManned) scene.startWorker(freshWorker);
  const check = (settled: boolean) =>
    checkQueueConditions({ history: new History(simulation.history), prefix, settled });
  await settle(world, {
    pending: untilCalm(scene, simulation),
    withinMs: livenessMs,
    afterlifeMs,
    judge: () => check(false),
  });
  // What came from a producer that was not healed must be done too.
  await world.livenessPhase(untilCalm(scene, simulation), livenessMs);
  for (const [situation, times] of situationsIn(check(true))) world.reached(situation, times);
}

/** Names what is pending, and for a while after that nothing is. */
function untilCalm(scene: Scene, simulation: Simulation): () => string | undefined {
  let isReleasedSinceMs: number | undefined;
  return () => {
    const left = pending(scene, simulation.engine);
    if (left !== undefined) isReleasedSinceMs = undefined;
    else isReleasedSinceMs ??= simulation.nowMs;
    if (left !== undefined) return left;
    return simulation.nowMs - (isReleasedSinceMs ?? 0) < calmMs ? 'it is not calm' : undefined;
  };
}

/** Released and not done, or what a condition that holds would release. */
function pending({ crew, keys }: Scene, engine: Engine): string | undefined {
  if (crew.pendingProducer !== undefined) return `${crew.pendingProducer.name} enqueues`;
  const { upTo } = releasedIn(engine.range({ key: releasedKey(keys) }).kvs[0]);
  const released = firstIn(engine, [keys.itemsBetween('', upTo)]);
  if (released !== undefined) return `${released} is released and left`;
  const cancelled = firstIn(engine, [keys.cancellations]);
  return cancelled && `${cancelled} is left`;
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
