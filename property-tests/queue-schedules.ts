/**
 * Schedules of a queue: dispatchers that stand still between a read and a tick, crash, lose their sessions and depose each other, whose wall
 * clocks are set forward and back; operators that set, change and remove schedules as they tick, and close the queue for long enough to
 * have ticks missed. The whole history is replayed, and once all or a core is healed every schedule must tick on.
 */
import { checkQueueRules, checkQueueSchedules, History } from '../src/checkers/index.js';
import { prefix, Scene, safetyMs } from './queue-schedules/scene.js';
import { situations, situationsIn } from './queue-schedules/situations.js';
import { type SchedulesWorkload, schedulesWorkload, type WorkerPlan } from './queue-schedules/workload.js';
import type { Property } from './support/property.js';
import { afterlifeMs, livenessMs } from './support/queues/phases.js';
import { settle } from './support/settle.js';
import type { World } from './support/world.js';

/** And what wall clocks may have been set back by. */
const withinMs = livenessMs + 6 * 60_000;
/** Each schedule is decided so often after all is healed. */
const lastDecisions = 2;

const freshWorker: WorkerPlan = {
  ...{ handlerMs: 5, closeAfterMs: 0, muteAfterMs: 0, frailWatches: false, hesitateMs: 0, hesitateNth: 1 },
  lateMs: 0,
};

async function run(world: World<SchedulesWorkload>): Promise<void> {
  const { simulation, workload } = world;
  const scene = new Scene(world);
  const first = workload.first.map((does) => ({ afterMs: 0, does }));
  workload.operators.forEach((decisions, index) => {
    scene.startOperator(index === 0 ? [...first, ...decisions] : decisions);
  });
  for (const each of workload.workers) scene.startWorker(each);
  if (workload.others > 0) scene.startProducer();
  await world.safetyPhase(() => scene.crew.operators.every(({ status }) => status === 'finished'), safetyMs);
  world.heal();
  scene.crew.isHealed = true;
  scene.startTidying();
  if (!scene.crew.isManned) scene.startWorker(freshWorker);
  const check = () => {
    const parts = { history: new History(simulation.history), prefix };
    checkQueueRules(parts);
    return checkQueueSchedules(parts);
  };
  const versions = () =>
    new Map(simulation.engine.range({ ...scene.keys.schedules }).kvs.map((kv) => [kv.key, kv]));
  const healed = versions();
  const healedAt = simulation.engine.revision;
  const pending = () => {
    for (const [key, { version, createRevision }] of versions()) {
      const before = healed.get(key);
      const from = before?.createRevision === createRevision ? before.version : 0;
      if (version < from + lastDecisions) return `QUEUE-24: ${key} does not tick`;
    }
    const [left] = simulation.engine.range({
      ...scene.keys.items,
      maxCreateRevision: healedAt,
      limit: 1,
    }).kvs;
    return left && `QUEUE-1: ${left.key} is left`;
  };
  await settle(world, { pending, withinMs, afterlifeMs, judge: check });
  for (const [situation, times] of situationsIn(check())) world.reached(situation, times);
}

export const queueSchedulesProperty: Property<SchedulesWorkload> = {
  module: 'queue-schedules',
  invariants: ['QUEUE-4', 'QUEUE-8', 'QUEUE-24'],
  workload: schedulesWorkload,
  faults: { maxWindows: 6, withinMs: 8_000 },
  sometimes: situations,
  runs: 400,
  run,
};
