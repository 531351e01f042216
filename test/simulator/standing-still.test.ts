import { describe, expect, it } from 'vitest';
import { type ProcessContext, Simulation } from '../../src/simulator/index.js';
import { oneProcess } from './scene.js';

/** A process whose only call hangs in a cut link, until the loss of its connection is noticed. */
function openHanging() {
  const simulation = new Simulation({ seed: 1 });
  const woken: number[] = [];
  const process = simulation.start('p', async ({ store, incarnation }: ProcessContext) => {
    if (incarnation > 0) return;
    await store.leaseKeepAlive('1', { timeoutMs: 60_000 }).catch(() => {});
    woken.push(simulation.nowMs);
  });
  simulation.inject({ atMs: 0, durationMs: 30_000, kind: 'cut-link', target: 0 });
  return { simulation, process, woken };
}

describe('what befalls the connection of a process', () => {
  it('is noticed while it runs', async () => {
    const { simulation, woken } = openHanging();
    await simulation.run(20_000);
    expect(woken.length).toBe(1);
  });

  it('is not noticed while it stands still, but as soon as it goes on', async () => {
    const { simulation, process, woken } = openHanging();
    await simulation.run(1);
    const { resume } = process.pause();
    await simulation.run(20_000);
    expect(woken).toEqual([]);
    resume();
    await simulation.run(1);
    expect(woken).toEqual([20_001]);
  });

  it('is never noticed by one that is dead, nor by its successor', async () => {
    const { simulation, process, woken } = openHanging();
    await simulation.run(1);
    process.crash();
    process.restart();
    await simulation.run(20_000);
    expect(woken).toEqual([]);
  });
});

describe('a turn of an event loop that was blocked', () => {
  it.each([
    ['just before', undefined],
    ['in it, before anything has arrived', 0],
    ['at its very end', 100],
  ])('comes after all that has arrived by the end of the block, asked for %s', async (_when, askedAtMs) => {
    const { simulation, process, context } = await oneProcess();
    const { runtime, store } = context();
    const order: string[] = [];
    const ask = () => void runtime.nextTurn().then(() => order.push('turn'));
    void store.range({ key: 'k' }).then(() => order.push('arrival'));
    if (askedAtMs === undefined) ask();
    const { resume } = process.stall();
    for (const nowMs of [0, 100]) {
      await simulation.run(nowMs);
      if (nowMs === askedAtMs) ask();
    }
    expect(order).toEqual([]);
    resume();
    await simulation.run(0);
    expect(order).toEqual(['arrival', 'turn']);
  });
});

describe('the time that a lease has left', () => {
  it('is its TTL after a grant and after each renewal, and none once it is gone', async () => {
    const simulation = new Simulation({ seed: 1 });
    const left = () => simulation.cluster.leaseLeftMs('7');
    expect(left()).toBe(0);
    const store = simulation.connect();
    const granting = store.leaseGrant({ id: '7', ttlSeconds: 5 });
    await simulation.run(10);
    await granting;
    expect(left()).toBeGreaterThan(4_985);
    await simulation.run(3_000);
    expect(left()).toBeLessThan(2_000);
    const renewing = store.leaseKeepAlive('7');
    await simulation.run(10);
    await renewing;
    expect(left()).toBeGreaterThan(4_985);
    await simulation.run(7_000);
    expect(left()).toBe(0);
  });
});

describe('the standstills of a process', () => {
  it('are its pauses and deaths, those that meet as one', async () => {
    const simulation = new Simulation({ seed: 1 });
    const process = simulation.start('p', () => {});
    expect(process.standstills).toEqual([]);
    await simulation.run(10);
    const [first, second] = [process.pause(), process.pause()];
    await simulation.run(10);
    first.resume();
    await simulation.run(10);
    second.resume();
    expect(process.standstills).toEqual([{ fromMs: 10, toMs: 30 }]);
    await simulation.run(10);
    process.pause();
    await simulation.run(10);
    process.crash();
    await simulation.run(10);
    process.restart();
    await simulation.run(10);
    process.crash();
    expect(process.standstills.slice(1)).toEqual([{ fromMs: 40, toMs: 60 }, { fromMs: 70 }]);
  });
});

describe('a machine that sleeps', () => {
  it('runs nothing until it wakes, neither what was there nor what is started meanwhile', async () => {
    const simulation = new Simulation({ seed: 1 });
    const started: number[] = [];
    const process = simulation.start('p', () => {
      started.push(simulation.nowMs);
    });
    await simulation.run(10);
    const [first, second] = [process.sleep(), process.sleep()];
    const asleepAtMs = process.clock.monotonicMs();
    process.crash();
    process.restart();
    await simulation.run(100);
    first.wake();
    await simulation.run(100);
    expect(started).toEqual([0]);
    expect(process.clock.monotonicMs()).toBe(asleepAtMs);
    second.wake();
    await simulation.run(10);
    expect(started).toEqual([0, 210]);
    expect(process.clock.monotonicMs()).toBe(asleepAtMs + 10);
    expect(process.standstills).toEqual([{ fromMs: 10, toMs: 210 }]);
  });
});
