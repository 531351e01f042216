/**
 * A queue whose items may wait before they enter it: delays that end below the gate, in backlogs and beside windows that are being
 * read, items cancelled and purged while they wait, dispatchers that depose each other, crash and stand still between a stamp
 * and its firing. The whole history is replayed, for the delays and for the order of what is given out, and once all or a
 * core is healed everything must be done by whoever is left.
 */
import { checkQueueDelays, checkQueueRules, History } from '../src/checkers/index.js';
import type { Engine } from '../src/engine/index.js';
import { prefix, Scene, safetyMs } from './queue-delays/scene.js';
import { situations, situationsIn } from './queue-delays/situations.js';
import { type DelaysWorkerPlan, type DelaysWorkload, delaysWorkload } from './queue-delays/workload.js';
import { compactEvery } from './support/compaction.js';
import type { Property } from './support/property.js';
import { firstIn } from './support/queues/items.js';
import { afterlifeMs, livenessMs } from './support/queues/phases.js';
import { freshWorker } from './support/queues/worker-plan.js';
import { settle } from './support/settle.js';
import type { World } from './support/world.js';

/** The longest delay may begin anew. */
const withinMs = livenessMs + 7_000;

const freshDelaysWorker: DelaysWorkerPlan = { ...freshWorker, fallsAtFiring: 0, slowReadsMs: 0 };

async function run(world: World<DelaysWorkload>): Promise<void> {
  const { simulation, workload, plan } = world;
  const scene = new Scene(world);
  for (const each of workload.operators) scene.startOperator(each);
  for (const each of workload.workers) scene.startWorker(each);
  for (const each of workload.producers) scene.startProducer(each);
  compactEvery(world, workload.compactEveryMs, safetyMs);
  await world.safetyPhase(() => scene.crew.producers.every(({ status }) => status === 'finished'), safetyMs);
  world.heal();
  scene.crew.isHealed = true;
  scene.startTidying();
  if (!scene.crew.isManned) scene.startWorker(freshDelaysWorker);
  const check = (settled: boolean) => {
    const { clockRateError } = plan.knobs;
    const parts = { history: new History(simulation.history), prefix, settled, clockRateError };
    checkQueueRules(parts);
    return checkQueueDelays({ ...parts, mayPurge: workload.mayPurge });
  };
  const left = () => pending(scene, simulation.engine);
  await settle(world, { pending: left, withinMs, afterlifeMs, judge: () => check(false) });
  // What came from a producer that was not healed must be done too.
  await world.livenessPhase(left, withinMs);
  for (const [situation, times] of situationsIn(check(true))) world.reached(situation, times);
}

function pending({ crew, keys }: Scene, engine: Engine): string | undefined {
  if (crew.pendingProducer !== undefined) return `${crew.pendingProducer.name} enqueues`;
  const left = firstIn(engine, [
    ...[keys.items, keys.delayed, keys.freshDelays, keys.timers],
    keys.cancellations,
  ]);
  return left && `${left} is left`;
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
