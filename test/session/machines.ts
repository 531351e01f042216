import { onTestFinished } from 'vitest';
import { MemoryServer } from '../../src/memory/index.js';
import type { ClockBounds } from '../../src/session/deadline.js';
import { openSession } from '../../src/session/open-session.js';
import type { Session } from '../../src/session/session.js';
import { Keyspace, prefixRange } from '../../src/store/index.js';
import { LoopRenewer } from '../../src/store/loop-renewer.js';
import { ManualRuntime, ManualTime } from '../support/manual-runtime.js';
import { cuttableStore } from './cuttable-store.js';

export interface MachinesOptions {
  serverRate?: number;
  clientRate?: number;
  bounds?: ClockBounds;
}

/** A server and a client as two machines on one true time, with a network between them that can be cut. */
export function machines(options: MachinesOptions = {}) {
  const time = new ManualTime();
  const serverMachine = new ManualRuntime({ time, rate: options.serverRate ?? 1 });
  const runtime = new ManualRuntime({ time, rate: options.clientRate ?? 1 });
  const server = new MemoryServer({ runtime: serverMachine });
  const other = server.connect();
  const { store, fate, count } = cuttableStore(server.connect(), runtime);
  const clientClosed = new AbortController();
  const bounds = options.bounds ?? { clockRateError: 0.01, abortMs: 300 };
  onTestFinished(async () => {
    clientClosed.abort();
    await server.close();
  });
  return {
    ...{ time, runtime, serverMachine, server, other, store, fate, count, clientClosed, bounds },
    open: (more: { ttlSeconds?: number; withinMs?: number; signal?: AbortSignal } = {}): Promise<Session> =>
      openSession({
        ...{
          store,
          renewer: new LoopRenewer(store, runtime),
          runtime,
          bounds,
          keys: new Keyspace('ns'),
          label: 'test',
          clientClosed: clientClosed.signal,
        },
        ttlSeconds: more.ttlSeconds ?? 10,
        withinMs: more.withinMs ?? 5_000,
        signal: more.signal ?? new AbortController().signal,
      }),
    /** Keys of all sessions, as another client sees them. */
    sessionKeys: async () => (await other.range(prefixRange('ns/session/'))).kvs.map((kv) => kv.key),
    leaseCount: () => server.engine.leases().length,
  };
}

/** Lets time pass until the promise settles, and answers what became of it. */
export async function settled<T>(
  time: ManualTime,
  promise: Promise<T>,
): Promise<{ value?: T; error?: unknown }> {
  let outcome: { value?: T; error?: unknown } | undefined;
  promise.then(
    (value) => {
      outcome = { value };
    },
    (error: unknown) => {
      outcome = { error };
    },
  );
  for (let step = 0; step < 600; step += 1) {
    await time.advance(0);
    if (outcome !== undefined) return outcome;
    await time.advance(100);
  }
  throw new Error('nothing became of it within a minute');
}

export async function value<T>(time: ManualTime, promise: Promise<T>): Promise<T> {
  const outcome = await settled(time, promise);
  if ('error' in outcome) throw outcome.error;
  return outcome.value as T;
}
