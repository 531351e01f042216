/** A run of a queue of any kind, from its first enqueue to the judgement of its history. */
import { checkQueue, History } from '../../src/checkers/index.js';
import type { Engine } from '../../src/engine/index.js';
import { QueueKeys } from '../../src/queues/keys.js';
import { decodeItem, decodeRecord, decodeTakeBack } from '../../src/queues/records/index.js';
import { type HistoryEntry, inRange, type Key, textOf } from '../../src/store/index.js';
import { compactEvery } from '../support/compaction.js';
import { afterlifeMs } from '../support/queues/phases.js';
import { prefixOf } from '../support/queues/plain-client.js';
import { settle } from '../support/settle.js';
import type { World } from '../support/world.js';
import { checkHandledJobs } from './handled-jobs.js';
import { effects, type Flavour, queueName, Scene, safetyMs } from './processes.js';
import { Traffic } from './situations.js';
import type { QueueWorkload, WorkerPlan } from './workload.js';

/**
 * What may follow one on another after the healing, at the worst: a client notices that its connection is gone (8 s) or its
 * watch silent (20 s); leases of the lost run on, anew under a new leader (2 * 3 s and 1 s of lateness); a session is opened
 * and joins, with a call that times out each (5 + 10 s, and 5 s of backing off); the dispatcher is deposed (16 s of patience
 * after many depositions, 10 s for the call) and its successor reads (2 * 10 s); producers' calls end (20 s), and retries of
 * failed jobs are due. A member that stays broken costs most of these one more timeout of 5 s: 30 s.
 */
const livenessMs = 8_000 + 20_000 + 7_000 + 20_000 + 26_000 + 20_000 + 20_000 + 30_000;

const freshWorker: WorkerPlan = {
  ...{ concurrency: 4, prefetch: 4, handlerMs: 5, failing: 0, refused: 0, stubborn: false },
  ...{
    closeAfterMs: 0,
    graceMs: 0,
    noSpaceMs: 0,
    frailWatches: false,
    muteAfterMs: 0,
    laggard: false,
    hesitateMs: 0,
    hesitateAt: 'window',
    hesitateBy: 'pause',
    hesitateNth: 1,
  },
};

/** Judges the history too, in ways of its own. */
export type Judge = (history: History, prefix: Key) => void;

export async function runQueue(
  world: World<QueueWorkload>,
  flavour: Flavour,
  judge: Judge = () => {},
): Promise<void> {
  const { simulation, workload } = world;
  const prefix = prefixOf(queueName);
  const { kind } = flavour;
  const keys = new QueueKeys(prefix, kind);
  const scene = new Scene(world, new Traffic(world, keys), flavour);
  for (const plan of workload.workers) scene.startWorker(plan);
  for (const plan of workload.producers) scene.startProducer(plan);
  compactEvery(world, workload.compactEveryMs, safetyMs);
  for (const { index: target } of workload.slowLinks ? simulation.processes : []) {
    simulation.inject({ atMs: 0, durationMs: safetyMs, kind: 'slow-link', target });
  }
  await world.safetyPhase(() => scene.crew.producers.every(({ status }) => status === 'finished'), safetyMs);
  world.heal();
  scene.crew.isHealed = true;
  if (!scene.crew.isManned) scene.startWorker(freshWorker);
  const check = () => {
    const { history } = simulation;
    checkHandledJobs(scene.handled, history, keys, effects);
    checkQueue({ history: new History(history), prefix, kind, effects, calls: scene.calls });
    judge(new History(history), prefix);
  };
  await settle(world, {
    pending: () => pending(scene, simulation.engine, keys),
    withinMs: livenessMs,
    afterlifeMs,
    judge: check,
  });
  check();
  countOutcomes(scene, simulation.history, keys);
}

function pending(scene: Scene, engine: Engine, keys: QueueKeys): string | undefined {
  const { pendingProducer } = scene.crew;
  const { count } = engine.range({ ...keys.items, countOnly: true });
  if (count > 0) return describeLeft(engine, keys);
  return pendingProducer && `${pendingProducer.name} enqueues`;
}

function describeLeft(engine: Engine, keys: QueueKeys): string {
  const [first] = engine.range({ ...keys.items, limit: 1, keysOnly: true }).kvs;
  if (first === undefined) return 'nothing';
  const id = keys.nameIn(keys.items, first.key);
  const [taken] = engine.range({ key: keys.generation(id) }).kvs;
  const generation = taken?.version ?? 0;
  for (const { key, value } of engine.range(keys.records).kvs) {
    if (!decodeRecord(value).some((job) => job.id === id && job.generation === generation)) continue;
    const worker = keys.workerOfRecord(key);
    const isPresent = engine.range({ key: keys.presence(worker), countOnly: true }).count > 0;
    if (!isPresent) return `QUEUE-7: item ${id} is held by worker ${worker}, which is gone`;
    return `QUEUE-1: item ${id} is with worker ${worker} and is not done`;
  }
  return `QUEUE-1: item ${id} is with no worker`;
}

function countOutcomes(scene: Scene, history: readonly HistoryEntry[], keys: QueueKeys): void {
  const created = new Set<string>();
  for (const { events } of history) {
    for (const { type, kv } of events) {
      if (type !== 'put') continue;
      if (inRange(keys.items, kv.key)) created.add(String(JSON.parse(textOf(decodeItem(kv.value).payload))));
      else if (inRange(keys.generations, kv.key) && decodeTakeBack(kv.value).reason === 'worker-lost') {
        scene.traffic.reached('a job was given out again after its worker was lost');
      }
    }
  }
  for (const { outcome, payload } of scene.calls) {
    if (outcome !== 'unknown') continue;
    const applied = created.has(payload);
    scene.traffic.reached(`an enqueue of unknown outcome had ${applied ? '' : 'not '}been applied`);
  }
}
