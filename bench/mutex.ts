/**
 * The lock: how long an uncontended acquire and release take beside two bare writes through the same adapter, and how
 * often it changes hands between processes, beside `concurrency.Mutex` of etcd's Go client.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Client, Mutex, put } from 'quorate';
import { openEtcd3Store } from 'quorate/etcd3';
import {
  type BenchOptions,
  type BenchResult,
  compared,
  interleave,
  type Measure,
  median,
  type Row,
} from './harness.js';
import { GoProcess, goPeer, whyNoGo } from './peers/go.js';

const contender = fileURLToPath(new URL('./contender.ts', import.meta.url));
const manyProcesses = 4;
const manyCallers = 250;

export async function mutexBench(options: BenchOptions): Promise<BenchResult> {
  const go = goPeer('mutex');
  const uncontended = await measureUncontended(options);
  const handOver = await measureHandOver(options, go);
  return {
    name: 'mutex',
    settings: {
      uncontended: `${uncontended.times} times a round, ${uncontended.rounds} rounds; medians`,
      'hand-over': `processes with one caller each, ${handOver.rounds} rounds of ${handOver.durationMs} ms; medians`,
      'many callers': `${manyProcesses} processes with ${manyCallers} callers each`,
      interleaved: 'yes',
    },
    rows: [...uncontended.rows, ...handOver.rows],
    rounds: { ...uncontended.figures, ...handOver.figures },
    leftOut: go === undefined ? [whyNoGo] : [],
  };
}

async function measureUncontended({ endpoint, quick }: BenchOptions) {
  const times = quick ? 100 : 300;
  const rounds = quick ? 3 : 11;
  const raw = await openEtcd3Store({ hosts: endpoint });
  const client = await Client.open({ store: raw, closeStore: true, namespace: 'bench' });
  let round = 0;
  const write = () => raw.txn({ compare: [], success: [put('bench/raw', 'value')], failure: [] });
  const timed = async (operation: () => Promise<unknown>) => {
    const startMs = performance.now();
    for (let time = 0; time < times; time += 1) await operation();
    return (performance.now() - startMs) / times;
  };
  const figures = await interleave(
    {
      'acquire + release': () => {
        // A lock of its own each round: etcd walks over the keys of past holds until it is compacted.
        round += 1;
        const mutex = new Mutex(client, `uncontended-${round}`);
        return timed(async () => {
          const hold = await mutex.acquire();
          await hold.release();
        });
      },
      'two puts': () =>
        timed(async () => {
          await write();
          await write();
        }),
    },
    rounds,
  );
  await client.close();
  const rows = [
    compared(
      'acquire + release, uncontended',
      'ms',
      figures['acquire + release'],
      'two puts in sequence',
      figures['two puts'],
      { atMost: 1.25 },
    ),
  ];
  return { times, rounds, rows, figures };
}

async function measureHandOver({ endpoint, quick }: BenchOptions, go: string | undefined) {
  const durationMs = quick ? 1_000 : 4_000;
  const rounds = quick ? 1 : 4;
  const measures: Record<string, Measure> = {};
  const between = [2, 10] as const;
  for (const processes of between) {
    measures[`quorate ${processes}`] = () => contend(endpoint, processes, 1, durationMs);
    if (go !== undefined) measures[`go ${processes}`] = () => contendGo(go, endpoint, processes, durationMs);
  }
  measures['quorate many'] = () => contend(endpoint, manyProcesses, manyCallers, durationMs);
  if (go !== undefined) {
    measures['go many'] = () => contendGo(go, endpoint, manyProcesses, durationMs);
  }
  const figures = await interleave(measures, rounds);

  const row = (what: string, name: string, goal: Row['goal'], peer = 'etcd Go Mutex'): Row => {
    const ours = figures[`quorate ${name}`] ?? [];
    const peers = figures[`go ${name}`];
    if (peers === undefined) return { what, unit: '/s', ours: median(ours) };
    return compared(what, '/s', ours, peer, peers, goal);
  };
  const rows = [
    ...between.map((count) => row(`hand-over between ${count} processes`, String(count), { atLeast: 10 })),
    row(
      `${manyProcesses * manyCallers} callers in ${manyProcesses} processes`,
      'many',
      { atLeast: 50 },
      `etcd Go Mutex, ${manyProcesses} processes`,
    ),
  ];
  return { durationMs, rounds, rows, figures };
}

let locks = 0;
function newLock(): string {
  locks += 1;
  return `contended-${locks}`;
}

/** Acquisitions a second of so many processes together. */
async function contend(
  endpoint: string,
  processes: number,
  callers: number,
  durationMs: number,
): Promise<number> {
  const name = newLock();
  const children = Array.from({ length: processes }, () =>
    fork(contender, [endpoint, name, String(callers)], {
      execArgv: ['--import', import.meta.resolve('tsx')],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    }),
  );
  try {
    await Promise.all(children.map((child) => once(child, 'message')));
    const rates = children.map((child) => rateOf(child));
    for (const child of children) child.send({ durationMs });
    return (await Promise.all(rates)).reduce((sum, rate) => sum + rate, 0);
  } finally {
    for (const child of children) child.kill('SIGKILL');
  }
}

async function rateOf(child: ChildProcess): Promise<number> {
  const [message] = (await once(child, 'message')) as [{ rate: number }];
  return message.rate;
}

async function contendGo(
  go: string,
  endpoint: string,
  processes: number,
  durationMs: number,
): Promise<number> {
  const name = `go-${newLock()}/`;
  const contenders = Array.from(
    { length: processes },
    () => new GoProcess(go, [endpoint, name, `${durationMs}ms`]),
  );
  await Promise.all(contenders.map((one) => one.line()));
  for (const one of contenders) one.begin();
  const counts = await Promise.all(contenders.map(async (one) => Number(await one.line())));
  return (counts.reduce((sum, count) => sum + count, 0) / durationMs) * 1_000;
}
