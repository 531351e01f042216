/**
 * A queue that holds so many items, under producers that put more, pause, die and give up waiting, operators that change the bound,
 * and workers that come late or never: everybody's credit is followed revision by revision. Once all or a core is healed and there
 * is a worker, everybody must have been let in or told why not, and no credit be left.
 */
import { checkQueueBounds, History } from '../src/checkers/index.js';
import { effects, prefix, Scene, safetyMs } from './queue-bounds/scene.js';
import { type BoundsWorkload, boundsWorkload } from './queue-bounds/workload.js';
import type { Property } from './support/property.js';
import { firstIn } from './support/queues/items.js';
import { afterlifeMs } from './support/queues/phases.js';
import { settle } from './support/settle.js';
import type { World } from './support/world.js';

/** As in queue.ts, which adds up what may follow one on another; and bursts of calls, one after another. */
const livenessMs = 8_000 + 20 * 8_000 + 60_000;

const situations = [
  'a producer found no room, and got in',
  'a call was refused',
  'a call gave up waiting for room',
  'the bound was changed while somebody waited',
  'the oldest made room',
  'credit was taken back',
  'credit outlived its producer',
  'credit was given while there was no worker',
  'the queue was full',
] as const;

async function run(world: World<BoundsWorkload>): Promise<void> {
  const { simulation, workload } = world;
  const scene = new Scene(world);
  for (const plan of workload.producers) scene.startProducer(plan);
  for (const plan of workload.workers) scene.startWorker(plan);
  scene.startOperator(workload);
  if (workload.cancelEveryMs > 0) scene.startCanceller(workload.cancelEveryMs);
  await world.safetyPhase(() => scene.busy === undefined, safetyMs);
  world.heal();
  scene.crew.isHealed = true;
  if (!scene.crew.isManned) {
    scene.startWorker({ concurrency: 4, handlerMs: 5, failing: 0, startsAfterMs: 0 });
  }
  const { keys } = scene;
  const pending = () => {
    if (scene.busy !== undefined) return `QUEUE-29: ${scene.busy.name} has not got in what it wants to`;
    const left = firstIn(simulation.engine, [keys.items, keys.accounts]);
    return left && `QUEUE-28: ${left} is left though everybody is done`;
  };
  const check = () =>
    checkQueueBounds({ history: new History(simulation.history), prefix, effects, calls: scene.calls });
  await settle(world, { pending, withinMs: livenessMs, afterlifeMs, judge: check });
  const counts = check();
  world.reached('the oldest made room', counts.dropped);
  world.reached('credit was taken back', counts.takenBack);
  world.reached('credit outlived its producer', counts.orphaned);
  world.reached('credit was given while there was no worker', counts.grantedByProducers);
  world.reached('the queue was full', counts.full);
}

export const queueBoundsProperty: Property<BoundsWorkload> = {
  module: 'queue-bounds',
  invariants: ['QUEUE-28', 'QUEUE-29'],
  workload: boundsWorkload,
  faults: { maxWindows: 6, withinMs: 6_000 },
  sometimes: situations,
  runs: 400,
  run,
};
