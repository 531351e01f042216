/** The simulator: events a second on one core, with processes that only send requests and with whole primitives. */
import { Client, Mutex } from 'quorate';
import { type ProcessContext, Simulation } from 'quorate/simulator';
import { type BenchOptions, type BenchResult, compared, interleave, median } from './harness.js';

const goalPerSecond = 200_000;
const processes = 10;

async function eventsPerSecond(main: (context: ProcessContext) => Promise<void>, events: number) {
  const simulation = new Simulation({ seed: 1 });
  for (let index = 0; index < processes; index += 1) simulation.start(`process ${index}`, main);
  const startMs = performance.now();
  await simulation.runUntil(() => simulation.events >= events, Number.MAX_SAFE_INTEGER);
  return (simulation.events / (performance.now() - startMs)) * 1_000;
}

const pause = (context: ProcessContext, ms: number) =>
  new Promise<void>((resolve) => context.runtime.setTimer(ms, resolve));

/** Writes, reads and waits: the simulator alone. */
async function requests(context: ProcessContext): Promise<void> {
  const { store, name } = context;
  const value = new Uint8Array(8);
  for (;;) {
    await store.txn({ compare: [], success: [{ type: 'put', key: name, value }], failure: [] });
    await store.range({ key: name });
    await pause(context, 1);
  }
}

/** Clients that contend for a lock. */
async function locking(context: ProcessContext): Promise<void> {
  const { store, runtime } = context;
  const client = await Client.open({ store, runtime });
  const mutex = new Mutex(client, 'lock');
  for (;;) {
    const hold = await mutex.acquire();
    await pause(context, 1);
    await hold.release();
  }
}

export async function simulatorBench({ quick }: BenchOptions): Promise<BenchResult> {
  const events = quick ? 50_000 : 500_000;
  const rounds = quick ? 1 : 5;
  const figures = await interleave(
    {
      requests: () => eventsPerSecond(requests, events),
      locking: () => eventsPerSecond(locking, events / 5),
    },
    rounds,
  );
  const goal = rounds > 0 ? { atLeast: 1 } : undefined;
  return {
    name: 'simulator',
    settings: {
      processes: `${processes}, three members, no faults, no timeline`,
      rounds: `${rounds} of ${events} events; medians`,
    },
    rows: [
      compared(
        'events, processes that send requests',
        'a second',
        figures.requests,
        'DESIGN goal',
        [goalPerSecond],
        goal,
      ),
      { what: 'events, processes that lock', ours: median(figures.locking), unit: 'a second' },
    ],
    rounds: figures,
    leftOut: [],
  };
}
