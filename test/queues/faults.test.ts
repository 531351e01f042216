import { describe, expect, it } from 'vitest';
import type { ProducerPlan, QueueWorkload, WorkerPlan } from '../../property-tests/queue/workload.js';
import { queueProperty } from '../../property-tests/queue.js';
import { World } from '../../property-tests/support/world.js';
import { QueueKeys } from '../../src/queues/keys.js';
import type { FaultKind, FaultWindow } from '../../src/simulator/index.js';
import { Keyspace, textOf } from '../../src/store/index.js';

const producer: ProducerPlan = {
  ...{
    items: 60,
    burst: 4,
    inOne: false,
    gapMs: 40,
    patienceMs: 20_000,
    poison: 0,
    long: 0,
    cutOffMs: 0,
    laggard: false,
  },
};
const worker: WorkerPlan = {
  ...{ concurrency: 2, prefetch: 2, handlerMs: 40, failing: 0, refused: 0, stubborn: false },
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
const steady: QueueWorkload = {
  ...{ mirror: 20_000, ttlMs: 2_000, compactEveryMs: 0, slowLinks: false },
  producers: [producer, producer],
  workers: [worker, worker, worker],
};
const keys = new QueueKeys(new Keyspace('sim').prefix('queue', 'jobs'));

function fault(kind: FaultKind, target: number, durationMs: number, atMs = 300): FaultWindow {
  return { kind, target, durationMs, atMs };
}

/** Runs the property of the queue on this one plan, which checks all its invariants, and tells what has happened. */
async function play(change: Partial<QueueWorkload>, faults: readonly FaultWindow[] = []) {
  const workload = { ...steady, ...change };
  const knobs = { members: 3, clockRateError: 0, latency: 'fast', off: [], heal: 'all' } as const;
  const world = new World({
    plan: { seed: 7, knobs, faults, workload },
    ...{ situations: queueProperty.sometimes, recordTimeline: false, stuckAfterMs: 30_000 },
  });
  await queueProperty.run(world);
  const events = world.simulation.history.flatMap((entry) => entry.events);
  const under = (prefix: string) => events.filter(({ kv }) => kv.key.startsWith(prefix));
  const puts = (prefix: string) => under(prefix).filter(({ type }) => type === 'put');
  const terms = puts(keys.records.key).map(({ kv }) => kv.key.split('/').at(-1)?.slice(0, 16));
  return {
    reached: (situation: (typeof queueProperty.sometimes)[number]) => world.situations.get(situation) ?? 0,
    items: puts(keys.items.key).length,
    acknowledged: under(keys.items.key).filter(({ type }) => type === 'delete').length,
    reasons: puts(keys.generations.key).map(({ kv }) => JSON.parse(textOf(kv.value)).reason as string),
    gateMoves: puts(keys.gate).length - 1,
    /** In which something was given out. */
    terms: new Set(terms).size,
    lives: new Set(puts(keys.presences.key).map(({ kv }) => kv.key)).size,
  };
}

const all = { items: 120, acknowledged: 120 };

describe('a queue and its workers in the simulator', () => {
  it('QUEUE-1 QUEUE-2 QUEUE-4 hold where nothing goes wrong', async () => {
    expect(await play({})).toMatchObject({ ...all, reasons: [], terms: 1, lives: 3 });
  });

  it('QUEUE-1 QUEUE-3 hold while requests and replies are lost everywhere', async () => {
    const lossy = [0, 1, 2, 3, 4].map((target) => fault('lossy-link', target, 10_000, 0));
    const run = await play({}, lossy);
    expect(run.acknowledged).toBe(run.items);
    expect(run.items).toBeGreaterThan(100);
  });

  it('QUEUE-7 jobs of a worker that crashed come back', async () => {
    const run = await play({}, [fault('crash', 1, 10_000)]);
    expect(run).toMatchObject(all);
    expect(run.reasons).toContain('worker-lost');
  });

  it('QUEUE-7 the dispatcher is replaced when it crashed', async () => {
    const run = await play({ workers: [worker, worker] }, [
      fault('crash', 0, 4_000),
      fault('crash', 1, 4_000, 5_000),
    ]);
    expect(run).toMatchObject(all);
    expect(run.terms).toBeGreaterThan(1);
  });

  it('QUEUE-4 QUEUE-8 hold when dispatchers that stood still go on after they were deposed', async () => {
    const pauses = [0, 1, 2].map((target) => fault('pause', target, 2_500, 300 + 2_600 * target));
    const producers = [{ ...producer, gapMs: 500 }, producer];
    const run = await play({ ttlMs: 4_000, producers }, pauses);
    expect(run).toMatchObject(all);
    expect(run.terms).toBeGreaterThan(1);
  });

  it('QUEUE-6 a worker that outlived its session is refused, and joins again', async () => {
    const slow = { ...worker, handlerMs: 4_000, stubborn: true };
    const run = await play({ workers: [worker, slow] }, [fault('cut-link', 1, 6_000)]);
    expect(run).toMatchObject(all);
    expect(run.reached('a worker acknowledged after its job was taken back')).toBeGreaterThan(0);
    expect(run.lives).toBeGreaterThan(2);
  });

  it('QUEUE-8 a producer whose write was held up past the gate enqueues anew', async () => {
    const producers = [
      { ...producer, items: 400, burst: 2, gapMs: 60 },
      { ...producer, cutOffMs: 11_000 },
    ];
    const run = await play({ producers });
    expect(run).toMatchObject({ items: 460, acknowledged: 460 });
    expect(run.gateMoves).toBeGreaterThan(0);
    expect(run.reached('an enqueue came too late and was refused by the gate')).toBeGreaterThan(0);
  });

  it('QUEUE-4 QUEUE-8 hold while most of the queue is left in the store', async () => {
    const producers = [{ ...producer, gapMs: 0 }, producer];
    const run = await play({ mirror: 6, producers }, [fault('crash', 0, 10_000)]);
    expect(run).toMatchObject(all);
    expect(run.gateMoves).toBeGreaterThan(10);
    expect(run.reached('backlog mode left')).toBeGreaterThan(0);
  });

  it('a job whose handler fails comes back until it succeeds', async () => {
    const run = await play({ workers: [{ ...worker, failing: 0.3 }] });
    expect(run).toMatchObject(all);
    expect(new Set(run.reasons)).toEqual(new Set(['failed']));
  });

  it('QUEUE-1 a worker that closes gives back what it has not done', async () => {
    const slow = { ...worker, handlerMs: 5_000, stubborn: true, closeAfterMs: 400, graceMs: 200 };
    const run = await play({ workers: [worker, slow] });
    expect(run).toMatchObject(all);
    expect(run.reached('a closing worker gave back a job')).toBeGreaterThan(0);
  });

  it('QUEUE-1 a worker that closes while the store is away is given nothing for ever', async () => {
    const closing = { ...worker, closeAfterMs: 400 };
    const run = await play({ workers: [closing, worker] }, [fault('no-space', 0, 9_000, 350)]);
    expect(run.acknowledged).toBe(run.items);
    expect(run.lives).toBeGreaterThan(2);
  });
});
