/**
 * What carries the calls to etcd: HTTP/2 connections of our own beside channels of grpc-js. One write after the other,
 * as a lock alone makes them, and guarded writes in numbers; and what a call costs this process in processor time.
 */
import { openEtcd3Store } from 'quorate/etcd3';
import { compare, put, type Store, txnOf } from 'quorate/store';
import {
  type BenchOptions,
  type BenchResult,
  closedLoop,
  compared,
  interleave,
  type Measure,
  type Row,
} from './harness.js';

const inFlight = [1, 8, 64] as const;
const value = 'v'.repeat(64);
const ours = 'http2';
const peer = 'grpc-js';

export async function transportBench({ endpoint, quick }: BenchOptions): Promise<BenchResult> {
  const rounds = quick ? 3 : 9;
  const durationMs = quick ? 300 : 1_000;
  const measures: Record<string, Measure> = {};
  const stores: Store[] = [];
  /** Microseconds of processor time a call, of every round and each of `measures`, warm-up rounds included. */
  const cpu: Record<string, number[]> = {};
  for (const transport of [ours, peer] as const) {
    const store = await openEtcd3Store({ hosts: endpoint, transport });
    stores.push(store);
    measures[`${transport} latency`] = () => latency(store, durationMs);
    for (const callers of inFlight) {
      const name = `${transport} ${callers}`;
      cpu[name] = [];
      measures[name] = () => guarded(store, callers, durationMs, (micros) => cpu[name]?.push(micros));
    }
  }
  const figures = await interleave(measures, rounds);
  await Promise.all(stores.map((store) => store.close()));
  const beside = (what: string, unit: string, all: Record<string, number[]>, name: string): Row =>
    compared(what, unit, all[`${ours} ${name}`] ?? [], peer, all[`${peer} ${name}`] ?? []);
  return {
    name: 'transport',
    settings: {
      values: `${value.length} bytes`,
      rounds: `${rounds} of ${durationMs} ms each; medians`,
      interleaved: 'yes',
    },
    rows: [
      beside('one write after the other', 'ms', figures, 'latency'),
      ...inFlight.flatMap((callers) => [
        beside(`guarded writes, ${callers} at a time`, 'a second', figures, String(callers)),
        beside(`their processor time, ${callers} at a time`, 'µs each', cpu, String(callers)),
      ]),
    ],
    rounds: figures,
    leftOut: [],
  };
}

/** Milliseconds that a write takes, one after the other. */
async function latency(store: Store, durationMs: number): Promise<number> {
  const write = txnOf({ success: [put('bench/latency', value)] });
  return 1_000 / (await closedLoop(1, durationMs, () => store.txn(write)));
}

/** Writes a second, each guarded by a compare; tells the processor time that each took. */
async function guarded(
  store: Store,
  callers: number,
  durationMs: number,
  tell: (micros: number) => void,
): Promise<number> {
  let calls = 0;
  const before = process.cpuUsage();
  const rate = await closedLoop(callers, durationMs, () => {
    calls += 1;
    const key = `bench/guarded/${calls % 1_000}`;
    return store.txn(
      txnOf({ compare: [compare.lease(key, 'equal', '0')], success: [put(key, value)], failure: [] }),
    );
  });
  const { user, system } = process.cpuUsage(before);
  tell((user + system) / calls);
  return rate;
}
