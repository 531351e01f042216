/**
 * Two producers put the sections of every Markdown file into a queue; four workers hash and count them. One worker is
 * killed with `kill -9` midway. Each job's effect is a put without a guard of its own, in the transaction that
 * acknowledges the job: were it ever applied twice, its key's version would be 2.
 */
import { type Client, FifoQueue, getPrefix, textOf } from 'quorate';
import { readSections } from '../support/corpus.js';
import type { ExampleProcess, Message } from '../support/example-process.js';
import type { Claim, Flow } from '../support/flow.js';
import { type Effect, effectKey, type Job, jobsOf, type Put } from './job.js';
import { examine } from './work.js';

const producer = new URL('./producer.ts', import.meta.url);
const worker = new URL('./worker.ts', import.meta.url);
const producers = ['left', 'right'];

export async function jobWorkers(flow: Flow): Promise<Claim[]> {
  const sections = readSections();
  const jobs = producers.flatMap((label) => jobsOf(label, sections));
  const client = await flow.client();
  const queue = new FifoQueue<Job>(client, 'sections');
  const effects = client.keys.prefix('app', 'effects');
  const workers = ['one', 'two', 'three', 'four'].map((label) => flow.start(worker, label));
  await Promise.all(workers.map((one) => one.next('ready')));
  const producing = producers.map((label) => flow.start(producer, label));
  flow.say(`2 producers put ${jobs.length} jobs, 4 workers take them`);

  const [killed] = workers;
  if (killed === undefined) throw new Error('no worker to kill');
  await startedJobs(killed, jobs.length / 20);
  await killed.hold();
  await killed.crash();
  flow.say(`one worker was killed with kill -9 after it had begun ${startsOf(killed).length} jobs`);
  await Promise.all(producing.map((one) => one.finished()));
  await drained(flow, client, effects, jobs.length);

  const survivors = workers.filter((one) => one !== killed);
  for (const one of survivors) one.send({ type: 'stop' });
  await Promise.all(survivors.map((one) => one.finished()));
  const left = await queue.size();
  const { kvs } = await client.store.range(getPrefix(effects));
  await queue.close();
  await client.close();
  const found = new Map(
    kvs.map((kv) => [kv.key, { writes: kv.version, ...(JSON.parse(textOf(kv.value)) as Effect) }]),
  );
  const puts = producing.flatMap(putsOf);
  return judge(jobs, found, (job) => effectKey(effects, job), left, workers, puts);
}

async function startedJobs(one: ExampleProcess, count: number): Promise<void> {
  await new Promise<void>((resolve) => {
    one.onMessage(() => {
      if (startsOf(one).length >= count) resolve();
    });
  });
}

/** Waits until so many effects are there. The flow's own time limit bounds it. */
async function drained(flow: Flow, client: Client, effects: string, jobs: number): Promise<void> {
  let count = 0;
  for (let second = 0; count < jobs; second += 1) {
    await new Promise((resolve) => setTimeout(resolve, 250));
    count = (await client.store.range(getPrefix(effects, { countOnly: true }))).count;
    if (second % 4 === 0 || count >= jobs) flow.say(`${count} of ${jobs} jobs acknowledged`);
  }
}

function startsOf(one: ExampleProcess): Message[] {
  return one.messages.filter((message) => message.type === 'start');
}

function putsOf(one: ExampleProcess): Put[] {
  const parts = one.messages.filter((message) => message.type === 'enqueued');
  return parts.flatMap(({ puts }) => puts as Put[]);
}

function judge(
  jobs: readonly Job[],
  found: ReadonlyMap<string, Effect & { readonly writes: number }>,
  keyOf: (job: Job) => string,
  left: number,
  workers: readonly ExampleProcess[],
  puts: readonly Put[],
): Claim[] {
  const effects = [...found.values()];
  const right = jobs.filter((job) => {
    const effect = found.get(keyOf(job));
    const expected = examine(job.section);
    return effect?.sha256 === expected.sha256 && effect.words === expected.words;
  });
  const words = effects.reduce((sum, effect) => sum + effect.words, 0);
  const twice = effects.filter((effect) => effect.writes !== 1);
  const acknowledgements = workers.flatMap((one) =>
    one.messages.filter(({ type }) => type === 'acknowledged'),
  );
  const acknowledged = new Set(acknowledgements.map(({ id }) => id));
  const starts = workers.flatMap(startsOf);
  const redelivered = starts.filter(({ generation }) => generation !== 0);
  const putOf = new Map(puts.map((one) => [one.id, one]));
  const overtakings = workers.reduce((sum, one) => sum + overtakingsOf(startsOf(one), putOf), 0);
  return [
    {
      claim: 'nothing lost: every job has its result, the queue is empty',
      evidence: `${right.length} of ${jobs.length} results right, ${words} words; ${left} left in the queue`,
      holds: right.length === jobs.length && left === 0,
    },
    {
      claim: 'every effect applied once',
      evidence: `${effects.length} keys, ${twice.length} written more than once`,
      holds: effects.length === jobs.length && twice.length === 0,
    },
    {
      claim: 'no acknowledged job repeated',
      evidence: `${acknowledgements.length} acknowledgements seen, of ${acknowledged.size} jobs`,
      holds: acknowledgements.length === acknowledged.size && acknowledged.size > 0,
    },
    {
      claim: "a dead worker's jobs come back",
      evidence: `${redelivered.length} jobs begun a second time`,
      holds: redelivered.length > 0,
    },
    {
      claim: 'given out in the order in which they were put in',
      evidence: `${overtakings} overtakings among ${starts.length - redelivered.length} first attempts`,
      holds: overtakings === 0 && starts.length > jobs.length / 2,
    },
  ];
}

/**
 * How often a worker got a job after a later one: after one of its producer's with a larger number, or after one of whichever
 * producer's that was only called for when this one was there. Calls of two producers that overlap have no order.
 */
function overtakingsOf(starts: readonly Message[], putOf: ReadonlyMap<string, Put>): number {
  const latest = new Map<string, number>();
  let latestCall = 0;
  let overtakings = 0;
  for (const start of starts.filter(({ generation }) => generation === 0)) {
    const { producer: from, number } = start.job as Job;
    const put = putOf.get(String(start.id));
    if (put === undefined) throw new Error(`job ${String(start.id)} was begun, and nobody has put it in`);
    if (put.revision <= latestCall || number < (latest.get(from) ?? 0)) overtakings += 1;
    latestCall = Math.max(latestCall, put.calledAt);
    latest.set(from, number);
  }
  return overtakings;
}
