/**
 * The producers' side of the queue: idempotency keys that several processes share, leases that are gone when their group
 * arrives, gates that pass groups on their way, operators that close, purge and redrive beside each other, schemas that take
 * their time. Consumers are simple ones: they end items, or bury them as dead letters, and move the gate.
 */
import { checkQueueProducers, History } from '../src/checkers/index.js';
import { QueueKeys } from '../src/queues/keys.js';
import { Keyspace } from '../src/store/index.js';
import { effects, queueName, Scene, safetyMs } from './queue-producers/scene.js';
import { situations, Traffic } from './queue-producers/situations.js';
import { type ProducersWorkload, producersWorkload } from './queue-producers/workload.js';
import { compactEvery } from './support/compaction.js';
import { clocksMayHideTime, namespace } from './support/open-client.js';
import type { Property } from './support/property.js';
import { afterlifeMs } from './support/queues/phases.js';
import { settle } from './support/settle.js';
import type { World } from './support/world.js';

/**
 * What may follow one on another after the healing, at the worst: a client notices that its connection is gone (8 s), a call is
 * waited for (20 s, and once more where it is made again), as often as a producer or an operator has calls to make; a window
 * ends (8 s, a quarter longer, anew under a new leader). A member that stays broken costs most of these one more timeout of 5 s.
 */
const livenessMs = 8_000 + 8 * 25_000 + 2 * 15_000;

async function run(world: World<ProducersWorkload>): Promise<void> {
  const { simulation, workload } = world;
  const prefix = new Keyspace(namespace).prefix('queue', queueName);
  const keys = new QueueKeys(prefix);
  const traffic = new Traffic(world, keys);
  const scene = new Scene(world, traffic, keys);
  for (const plan of workload.producers) scene.startProducer(plan);
  for (const plan of workload.operators) scene.startOperator(plan);
  workload.consumers.forEach((plan, index) => {
    scene.startConsumer(plan, index);
  });
  compactEvery(world, workload.compactEveryMs, safetyMs);
  const busy = () =>
    [...scene.crew.producers, ...scene.crew.operators].find(
      ({ isCore, status }) => isCore && status !== 'finished',
    );
  await world.safetyPhase(() => busy() === undefined, safetyMs);
  world.heal();
  scene.crew.isHealed = true;
  const pending = () => {
    const process = busy();
    if (process !== undefined) return `${process.name} is at work`;
    const { kvs } = simulation.engine.range({ ...keys.idempotency, keysOnly: true });
    return kvs[0] && `QUEUE-14: ${kvs[0].key} is remembered for ever`;
  };
  const check = () => {
    const { clockRateError } = world.plan.knobs;
    const processes = simulation.processes;
    const isHidden = processes.some(({ index }) =>
      clocksMayHideTime(world.plan.faults, index, processes.length),
    );
    return checkQueueProducers({
      ...{ history: new History(simulation.history), prefix, effects },
      ...{ calls: scene.calls, purges: scene.purges, letters: scene.letters },
      windowMs: isHidden ? 0 : workload.windowMs / (1 + clockRateError),
    });
  };
  await settle(world, { pending, withinMs: livenessMs, afterlifeMs, judge: check });
  const { windowsAnew } = check();
  traffic.reached('an item with a key whose window was over', windowsAnew);
  countDuplicates(scene);
  countRedrives(scene);
}

function countDuplicates({ calls, traffic }: Scene): void {
  const putBy = new Map(calls.flatMap((call) => (call.duplicate === false ? [[call.id, call]] : [])));
  for (const call of calls) {
    if (call.duplicate !== true) continue;
    const first = putBy.get(call.id);
    if (first === undefined) traffic.reached('a duplicate of a call whose outcome was unknown');
    else if (first.burst === call.burst) traffic.reached('a duplicate of a call in the same burst');
    else if (first.producer !== call.producer) traffic.reached('a duplicate of a call of another process');
  }
}

function countRedrives({ redrives, traffic }: Scene): void {
  const vain = redrives.filter(({ items }) => items === 0);
  const met = vain.filter((one) =>
    redrives.some(({ id, items, fromMs, toMs }) => {
      return items === 1 && id === one.id && fromMs <= one.toMs && one.fromMs <= toMs;
    }),
  );
  traffic.reached('two redrove a dead letter at the same time', met.length);
}

export const queueProducersProperty: Property<ProducersWorkload> = {
  module: 'queue-producers',
  invariants: ['QUEUE-1', 'QUEUE-2', 'QUEUE-4', 'QUEUE-14', 'QUEUE-15', 'QUEUE-16'],
  workload: producersWorkload,
  faults: { maxWindows: 6, withinMs: 6_000 },
  sometimes: situations,
  runs: 400,
  run,
};
