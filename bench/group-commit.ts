/**
 * Guarded transactions a second from one process: `IF create(key) = 0 THEN put key`, every key a new one, each
 * transaction independent of the others. In groups (what every client of Quorate does), one to a request through the
 * same adapter, through npm `etcd3` itself, and through etcd's Go client.
 */
import { Etcd3 } from 'etcd3';
import { Client, compare, put } from 'quorate';
import { openEtcd3Store } from 'quorate/etcd3';
import {
  type BenchOptions,
  type BenchResult,
  closedLoop,
  compared,
  interleave,
  type Measure,
} from './harness.js';
import { GoProcess, goPeer, whyNoGo } from './peers/go.js';

const groupedCallers = 1_024;
const singleCallers = 64;
const goConcurrencies = [64, 256, 1_024] as const;
const value = Buffer.alloc(32, 'v');

export async function groupCommitBench({ onFreshEtcd, quick }: BenchOptions): Promise<BenchResult> {
  const durationMs = quick ? 500 : 3_000;
  const rounds = quick ? 2 : 5;
  // An etcd of its own for each: one that holds the millions of keys of those before is a third as fast.
  const measures: Record<string, Measure> = {
    grouped: () => onFreshEtcd((endpoint) => grouped(endpoint, durationMs)),
    single: () => onFreshEtcd((endpoint) => single(endpoint, durationMs)),
    npm: () => onFreshEtcd((endpoint) => npmEtcd3(endpoint, durationMs)),
  };
  const go = goPeer('txn');
  if (go !== undefined) {
    for (const concurrency of goConcurrencies) {
      const args = ['bench/go/', `${durationMs}ms`, String(concurrency)];
      measures[`go ${concurrency}`] = () =>
        onFreshEtcd(async (endpoint) => Number(await new GoProcess(go, [endpoint, ...args]).line()));
    }
  }

  const figures = await interleave(measures, rounds);
  const of = (name: string) => figures[name] ?? [];
  const what = 'guarded creates';
  const rows = [
    compared(what, '/s', of('grouped'), `one to a request, ${singleCallers} in flight`, of('single'), {
      atLeast: 8,
    }),
    compared(what, '/s', of('grouped'), `npm etcd3, ${singleCallers} in flight`, of('npm'), { atLeast: 8 }),
    ...(go === undefined ? [] : [compared(what, '/s', of('grouped'), ...bestGo(figures), { atLeast: 3 })]),
  ];
  return {
    name: 'group-commit',
    settings: {
      quorate: `${groupedCallers} callers, 2 lanes, one process`,
      'one to a request, npm etcd3': `${singleCallers} callers, one process`,
      'etcd Go client': `best of ${goConcurrencies.join(', ')} goroutines, one client`,
      rounds: `${rounds} of ${durationMs} ms, interleaved, each on a fresh etcd; medians`,
    },
    rows,
    rounds: figures,
    leftOut: go === undefined ? [whyNoGo] : [],
  };
}

/** Keys that nobody has used, ascending. */
function newKeys(): () => string {
  let next = 0;
  return () => {
    next += 1;
    return `bench/k${String(next).padStart(10, '0')}`;
  };
}

function create(key: string) {
  return { compare: [compare.create(key, 'equal', 0)], success: [put(key, value)], failure: [] };
}

async function grouped(endpoint: string, durationMs: number): Promise<number> {
  const store = await openEtcd3Store({ hosts: endpoint });
  const client = await Client.open({ store, closeStore: true, namespace: 'bench' });
  const newKey = newKeys();
  const rate = await closedLoop(groupedCallers, durationMs, () => client.store.txn(create(newKey())));
  await client.close();
  return rate;
}

async function single(endpoint: string, durationMs: number): Promise<number> {
  const store = await openEtcd3Store({ hosts: endpoint });
  const newKey = newKeys();
  const rate = await closedLoop(singleCallers, durationMs, () => store.txn(create(newKey())));
  await store.close();
  return rate;
}

async function npmEtcd3(endpoint: string, durationMs: number): Promise<number> {
  const etcd3 = new Etcd3({ hosts: `http://${endpoint}` });
  const newKey = newKeys();
  const rate = await closedLoop(singleCallers, durationMs, () => {
    const key = newKey();
    return etcd3.if(key, 'Create', '==', 0).then(etcd3.put(key).value(value)).commit();
  });
  etcd3.close();
  return rate;
}

/** The concurrency at which the Go client did best. */
function bestGo(figures: Readonly<Record<string, readonly number[]>>): [string, readonly number[]] {
  const sum = (values: readonly number[]) => values.reduce((total, one) => total + one, 0);
  const [best] = Object.entries(figures)
    .filter(([name]) => name.startsWith('go '))
    .sort(([, a], [, b]) => sum(b) - sum(a));
  if (best === undefined) throw new Error('the Go client was not measured');
  return [`etcd Go client, ${best[0].slice(3)} in flight`, best[1]];
}
