/**
 * The rules of a queue: operators that pause it, change its limits and cancel jobs while assignments are in flight, jobs that
 * share keys and groups, handlers that fail, workers that are lost, dispatchers that depose each other. The whole history
 * is replayed, and once all or a core is healed everything must be done by whoever is left.
 */
import { checkQueueRules, History } from '../src/checkers/index.js';
import type { Engine } from '../src/engine/index.js';
import { prefix, Scene, safetyMs } from './queue-rules/scene.js';
import { situations, situationsIn } from './queue-rules/situations.js';
import { type RulesWorkload, rulesWorkload } from './queue-rules/workload.js';
import type { Property } from './support/property.js';
import { firstIn } from './support/queues/items.js';
import { afterlifeMs, livenessMs } from './support/queues/phases.js';
import { freshWorker } from './support/queues/worker-plan.js';
import { settle } from './support/settle.js';
import type { World } from './support/world.js';

async function run(world: World<RulesWorkload>): Promise<void> {
  const { simulation, workload, plan } = world;
  const scene = new Scene(world);
  const first = { afterMs: 0, does: { type: 'limit', limits: workload.limits } } as const;
  workload.operators.forEach((decisions, index) => {
    scene.startOperator(index === 0 ? [first, ...decisions] : decisions);
  });
  for (const each of workload.workers) scene.startWorker(each);
  for (const each of workload.producers) scene.startProducer(each);
  await world.safetyPhase(() => scene.crew.producers.every(({ status }) => status === 'finished'), safetyMs);
  world.heal();
  scene.crew.isHealed = true;
  scene.startTidying();
  if (!scene.crew.isManned) scene.startWorker(freshWorker);
  const check = (settled: boolean) =>
    checkQueueRules({
      ...{ history: new History(simulation.history), prefix, settled },
      clockRateError: plan.knobs.clockRateError,
    });
  await settle(world, {
    pending: () => pending(scene, simulation.engine),
    withinMs: livenessMs,
    afterlifeMs,
    judge: () => check(false),
  });
  for (const [situation, times] of situationsIn(check(true))) world.reached(situation, times);
}

function pending({ crew, keys }: Scene, engine: Engine): string | undefined {
  if (crew.pendingProducer !== undefined) return `${crew.pendingProducer.name} enqueues`;
  const left = firstIn(engine, [keys.items, keys.cancellations]);
  return left && `${left} is left`;
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
