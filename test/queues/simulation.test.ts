import { describe, expect, it } from 'vitest';
import type { Disturbance, QueuePlan, WorkerPlan } from './simulation.js';
import { simulate } from './simulation.js';

const steady: WorkerPlan = { concurrency: 2, prefetch: 2, handlerMs: 40, failing: 0, stubborn: false };
const producer = { items: 60, burst: 4, gapMs: 40 };

function plan(change: Partial<QueuePlan>): QueuePlan {
  return {
    seed: 7,
    faultRate: 0,
    mirror: 20_000,
    producers: [producer, producer],
    workers: [steady, steady, steady],
    disturbances: [],
    ...change,
  };
}

function disturb(kind: Disturbance['kind'], process: number, forMs: number, atMs = 300): Disturbance {
  return { atMs, kind, process, forMs };
}

/** Every run is held to QUEUE-1 to QUEUE-8 by the replay of its whole history. */
describe('a queue and its workers, on virtual time', () => {
  it('QUEUE-1 QUEUE-2 QUEUE-4 hold where nothing goes wrong', async () => {
    const { counts, events } = await simulate(plan({}));
    expect(counts).toMatchObject({ items: 120, acknowledged: 120, takenBack: 0 });
    expect(events.failed).toBeUndefined();
  });

  it('QUEUE-1 QUEUE-3 hold while every fifth request meets a fault', async () => {
    const { counts } = await simulate(plan({ faultRate: 0.2 }));
    expect(counts.acknowledged).toBe(counts.items);
    expect(counts.items).toBeGreaterThan(100);
  });

  it('QUEUE-7 jobs of a worker that was killed come back', async () => {
    const { counts } = await simulate(plan({ disturbances: [disturb('kill', 1, 0)] }));
    expect(counts.acknowledged).toBe(120);
    expect(counts.takenBack).toBeGreaterThan(0);
  });

  it('QUEUE-7 the dispatcher is replaced when it was killed', async () => {
    const { counts, events } = await simulate(plan({ disturbances: [disturb('kill', 0, 0)] }));
    expect(counts.acknowledged).toBe(120);
    expect(events.dispatching).toBeGreaterThan(1);
  });

  it('QUEUE-4 QUEUE-8 hold when a dispatcher that stood still goes on after it was deposed', async () => {
    const { counts, events } = await simulate(
      plan({ disturbances: [disturb('pause', 0, 1_700, 300), disturb('pause', 1, 1_700, 2_500)] }),
    );
    expect(counts.acknowledged).toBe(120);
    // Began, was deposed and so ended, and the successor began: thrice at least.
    expect(events.dispatching).toBeGreaterThan(2);
  });

  it('QUEUE-6 a worker that outlived its session is refused, and joins again', async () => {
    const slow = { ...steady, handlerMs: 4_000, stubborn: true };
    const { counts, events } = await simulate(
      plan({ workers: [steady, slow], disturbances: [disturb('cut', 1, 6_000)] }),
    );
    expect(counts.acknowledged).toBe(120);
    expect(events.fenced).toBeGreaterThan(0);
    expect(events.left).toBeGreaterThan(0);
    expect(events.joined).toBeGreaterThan(3);
  });

  it('QUEUE-8 a producer that stood still past the gate enqueues anew', async () => {
    const producers = [{ items: 400, burst: 2, gapMs: 30 }, producer];
    const { counts } = await simulate(plan({ producers, disturbances: [disturb('pause', 4, 9_000, 500)] }));
    expect(counts.acknowledged).toBe(460);
    expect(counts.gateMoves).toBeGreaterThan(0);
  });

  it('QUEUE-4 QUEUE-8 hold while most of the queue is left in the store', async () => {
    const { counts } = await simulate(
      plan({
        mirror: 6,
        producers: [{ ...producer, gapMs: 0 }, producer],
        disturbances: [disturb('kill', 0, 0)],
      }),
    );
    expect(counts.acknowledged).toBe(120);
    expect(counts.gateMoves).toBeGreaterThan(10);
  });

  it('a job whose handler fails comes back until it succeeds', async () => {
    const { counts, events } = await simulate(plan({ workers: [{ ...steady, failing: 0.3 }] }));
    expect(counts.acknowledged).toBe(120);
    expect(events.failed).toBe(counts.takenBack);
    expect(counts.takenBack).toBeGreaterThan(0);
  });

  it('QUEUE-1 a worker that closes gives back what it has not done', async () => {
    const slow = { ...steady, handlerMs: 5_000, stubborn: true };
    const { counts, events } = await simulate(
      plan({ workers: [steady, slow], disturbances: [disturb('close', 1, 200)] }),
    );
    expect(counts.acknowledged).toBe(120);
    expect(events.returned).toBeGreaterThan(0);
  });
});
