/**
 * What becomes of jobs: handlers that fail for the last time, reject their jobs and take their workers with them; somebody who
 * cancels jobs while they end; somebody who waits for results while watches are cut and history is compacted; follow-ups that
 * come too late for their queue, or find it closed. The whole history is replayed, and once all or a core is healed everything
 * must have ended and everybody been told.
 */
import { checkQueueOutcomes, History } from '../src/checkers/index.js';
import type { Engine } from '../src/engine/index.js';
import { effects, limits } from './queue-outcomes/handling.js';
import { situations } from './queue-outcomes/look.js';
import { otherName, prefixOf, queueName, Scene, safetyMs } from './queue-outcomes/scene.js';
import { type OutcomesWorkload, outcomesWorkload, type WorkerPlan } from './queue-outcomes/workload.js';
import { compactEvery } from './support/compaction.js';
import type { Property } from './support/property.js';
import { firstIn } from './support/queues/items.js';
import { afterlifeMs } from './support/queues/phases.js';
import { settle } from './support/settle.js';
import type { World } from './support/world.js';

/** As in queue.ts, which adds up what may follow one on another; and a job that kills its workers does so three times more. */
const livenessMs = 8_000 + 20_000 + 7_000 + 20_000 + 26_000 + 20_000 + 20_000 + 30_000 + 30_000;

const freshWorker: WorkerPlan = {
  ...{ concurrency: 4, prefetch: 4, handlerMs: 5, failing: 0, rejecting: 0, followUps: 0, returning: 0 },
  ...{ batch: 0, lingerMs: 0, throwing: 0 },
  ...{ tellsProgress: false, stubborn: false, laggard: false, muteAfterMs: 0, losesReply: 0 },
};

async function run(world: World<OutcomesWorkload>): Promise<void> {
  const { simulation, workload } = world;
  const scene = new Scene(world);
  for (const plan of workload.workers) scene.startWorker(plan);
  for (const plan of workload.clients) scene.startClient(plan);
  if (workload.closesEveryMs > 0) scene.startOperator(workload.closesEveryMs);
  compactEvery(world, workload.compactEveryMs, safetyMs);
  await world.safetyPhase(() => scene.clients.every(({ status }) => status === 'finished'), safetyMs);
  world.heal();
  scene.isHealed = true;
  if (!scene.workers.some(({ isCore }) => isCore)) scene.startWorker(freshWorker);
  const check = () =>
    checkQueueOutcomes({
      ...{ history: new History(simulation.history), prefix: prefixOf(queueName), effects, ...limits },
      others: [prefixOf(otherName)],
      ...{ handlers: scene.handling.handlers, waits: scene.waits, cancels: scene.cancels },
    });
  await settle(world, {
    pending: () => pending(scene, simulation.engine),
    withinMs: livenessMs,
    afterlifeMs,
    judge: () => {
      scene.endWaits();
      check();
    },
  });
  check();
}

function pending(scene: Scene, engine: Engine): string | undefined {
  const { keys } = scene;
  const left = firstIn(engine, [keys.items]);
  if (left !== undefined) return `QUEUE-17: job ${keys.nameIn(keys.items, left)} has not ended`;
  const [wait] = scene.pendingWaits();
  if (wait !== undefined) return `QUEUE-18: ${wait.process} waits for ${wait.id} and is told nothing`;
  const stray = firstIn(engine, [keys.cancellations, keys.generations, keys.progress]);
  if (stray !== undefined) return `QUEUE-17: ${stray} is left though every job has ended`;
  const client = scene.clients.find(({ isCore, status }) => isCore && status !== 'finished');
  return client && `${client.name} has not finished`;
}

export const queueOutcomesProperty: Property<OutcomesWorkload> = {
  module: 'queue-outcomes',
  invariants: ['QUEUE-17', 'QUEUE-18', 'QUEUE-19'],
  workload: outcomesWorkload,
  faults: { maxWindows: 8, withinMs: 6_000 },
  sometimes: situations,
  runs: 200,
  run,
};
