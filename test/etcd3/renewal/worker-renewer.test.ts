import { describe, expect, it } from 'vitest';
import { QuorateError } from '../../../src/errors.js';
import { MemoryServer } from '../../../src/memory/index.js';
import { AgeClock } from '../../../src/runtime/index.js';
import { Client } from '../../../src/session/index.js';
import { Keeper } from '../../../src/session/keeper.js';
import type { RenewalTrouble } from '../../../src/store/index.js';
import { LoopRenewer } from '../../../src/store/loop-renewer.js';
import { ManualRuntime, settle } from '../../support/manual-runtime.js';
import { storeWith } from '../../support/store-with.js';
import { twoThreads } from './two-threads.js';

const bounds = { clockRateError: 0.01, abortMs: 300 };
const lifetimeMs = 10_000 - 198.0198 - 300;

async function keep(options: Parameters<typeof twoThreads>[0] = {}) {
  const threads = await twoThreads(options);
  const { main: runtime, renewer } = threads;
  const clock = new AgeClock(runtime);
  const open = (leaseId: string) =>
    new Keeper({
      ...{ renewer, runtime, clock, leaseId, bounds },
      granted: { sentAt: clock.now(), ttlMs: 10_000 },
    });
  const keeper = open('1');
  const startedAtMs = threads.time.nowMs;
  return { ...threads, keeper, clock, open, startedAtMs };
}

describe('an event loop that is blocked', () => {
  it('SESSION-12 believes in its lease as far as the sends reach that the thread has seen acknowledged', async () => {
    const { time, keeper, block, sent } = await keep();
    await time.advance(1_000);
    block();
    for (let step = 0; step < 300; step += 1) {
      await time.advance(100);
      expect(keeper.isLive()).toBe(true);
      const last = sent.at(-1)?.atMs;
      if (last === undefined) continue;
      const expectedMs = last + lifetimeMs - time.nowMs;
      expect(keeper.remainingMs()).toBeLessThanOrEqual(expectedMs);
      expect(keeper.remainingMs()).toBeGreaterThan(expectedMs - 0.01);
    }
    expect(sent.length).toBe(9);
  });

  it('SESSION-12 does not take what was sent and not acknowledged for a renewal', async () => {
    const { time, keeper, block, control, sent } = await keep();
    control.ttlSeconds = 'silent';
    block();
    await time.advance(lifetimeMs - 2);
    expect(sent.length).toBeGreaterThan(3);
    expect(keeper.isLive()).toBe(true);
    await time.advance(3);
    expect(keeper.isLive()).toBe(false);
    await settle();
    expect(keeper.state).toMatchObject({ status: 'lost', reason: 'deadline' });
    expect(sent.every(({ signal }) => signal?.aborted)).toBe(true);
  });

  it('SESSION-4 knows without a turn that its lease is gone', async () => {
    const { time, keeper, block, control, sent } = await keep();
    await time.advance(1_000);
    block();
    control.ttlSeconds = 0;
    await time.advance(3_000);
    expect(keeper.isLive()).toBe(false);
    expect(keeper.state).toMatchObject({ status: 'lost', reason: 'lease-gone' });
    expect(keeper.signal.aborted).toBe(true);
    await time.advance(20_000);
    expect(sent.length).toBe(1);
  });

  it('SESSION-12 is renewed no longer than the longest stall, and renewed again if it comes back in time', async () => {
    const { time, keeper, block, unblock, sent } = await keep({ longestStallMs: 20_000 });
    await time.advance(5_000);
    const blockedAtMs = time.nowMs;
    block();
    await time.advance(27_000);
    const last = sent.at(-1)?.atMs ?? 0;
    expect(last - blockedAtMs).toBeGreaterThan(15_000);
    expect(last - blockedAtMs).toBeLessThanOrEqual(20_000);
    expect(keeper.isLive()).toBe(true);
    unblock();
    await time.advance(1_500);
    expect(sent.at(-1)?.atMs).toBeGreaterThan(last);
    expect(keeper.isLive()).toBe(true);
    block();
    await time.advance(35_000);
    const count = sent.length;
    await time.advance(60_000);
    expect(sent.length).toBe(count);
    expect(keeper.isLive()).toBe(false);
    await settle();
    expect(keeper.state).toMatchObject({ status: 'lost', reason: 'deadline' });
  });

  it('SESSION-12 counts a sleep of the machine against the lease until its loop turns, though it was renewed since', async () => {
    const { time, keeper, block, unblock, main, beside, sent } = await keep();
    await time.advance(5_000);
    block();
    await time.advance(3_000);
    for (const machine of [main, beside]) machine.sleepMachine();
    await time.advance(4_000);
    for (const machine of [main, beside]) machine.wakeMachine();
    await time.advance(1_500);
    const renewedAgoMs = time.nowMs - (sent.at(-1)?.atMs ?? 0);
    expect(renewedAgoMs).toBeLessThan(1_500);
    expect(keeper.remainingMs()).toBeCloseTo(lifetimeMs - renewedAgoMs - 4_000, 0);
    unblock();
    await time.advance(4_500);
    expect(keeper.remainingMs()).toBeCloseTo(lifetimeMs - (time.nowMs - (sent.at(-1)?.atMs ?? 0)), 0);
    for (const machine of [main, beside]) machine.sleepMachine();
    await time.advance(10_000);
    expect(keeper.isLive()).toBe(false);
  });
});

describe('an event loop that turns', () => {
  it('hears of renewals and troubles by messages', async () => {
    const { time, keeper, control } = await keep();
    control.ttlSeconds = new QuorateError('unavailable', 'cut', { outcome: 'unknown' });
    await time.advance(3_500);
    expect(keeper.state).toMatchObject({
      status: 'suspect',
      reason: 'renewal-failed',
      cause: { code: 'unavailable', message: 'cut', outcome: 'unknown' },
    });
    control.ttlSeconds = 10;
    await time.advance(1_000);
    expect(keeper.state.status).toBe('healthy');
    control.ttlSeconds = 'silent';
    await time.advance(4_800);
    expect(keeper.state).toMatchObject({ status: 'suspect', reason: 'renewal-overdue' });
  });

  it('is not put in doubt by a trouble of before the newest renewal', async () => {
    const { time, keeper, control, block, unblock } = await keep();
    block();
    control.ttlSeconds = new Error('no');
    await time.advance(4_000);
    control.ttlSeconds = 10;
    await time.advance(2_000);
    const states: string[] = [];
    keeper.onChange(({ state }) => states.push(state.status));
    unblock();
    await time.advance(1_000);
    expect(states).toEqual([]);
    expect(keeper.state.status).toBe('healthy');
  });
});

describe('several leases', () => {
  it('share one thread, and each stops alone, for good', async () => {
    const { time, keeper, open, sent, main } = await keep();
    await time.advance(1_000);
    const second = open('2');
    await time.advance(10_000);
    expect(sent.length).toBe(5);
    keeper.end('closed');
    await time.advance(9_000);
    expect(sent.length).toBe(8);
    expect(second.isLive()).toBe(true);
    second.end('closed');
    await time.advance(30_000);
    expect(sent.length).toBe(8);
    expect(main.timerCount).toBe(0);
  });

  it('a lease that is stopped is not renewed by a thread that has not heard of it yet', async () => {
    const { time, renewer, keeper, clock, sent, beside, control } = await keep();
    keeper.end('closed');
    const renewal = renewer.start({
      ...{ id: '7', clock, granted: { sentAt: clock.now(), ttlMs: 3_000 } },
      ...{ isWanted: () => true, onRenewed: () => {}, onTrouble: () => {} },
    });
    await time.advance(1_100);
    expect(sent.length).toBe(1);
    const latest = renewal.latest();
    control.deaf = true;
    renewal.stop();
    renewal.stop();
    await time.advance(3_000);
    expect(sent.length).toBe(1);
    expect(renewal.latest()).toBe(latest);
    expect(beside.timerCount).toBe(0);
  });
});

describe('a thread that ends', () => {
  it('leaves renewal to the event loop at once, tells of it once, and what it has written stays true', async () => {
    const calls: number[] = [];
    const runtimes: ManualRuntime[] = [];
    const fallback = {
      start: (lease: Parameters<LoopRenewer['start']>[0]) => {
        const [runtime] = runtimes;
        if (runtime === undefined) throw new Error('no runtime');
        const store = {
          leaseKeepAlive: async () => {
            calls.push(runtime.time.nowMs);
            return 10;
          },
        };
        return new LoopRenewer(store, runtime).start(lease);
      },
    };
    const { time, keeper, open, crash, ended, main, sent } = await keep({ fallback });
    runtimes.push(main);
    const states: string[] = [];
    keeper.onChange(({ state }) => states.push(state.status));
    await time.advance(8_000);
    expect(sent.length).toBe(2);
    const before = keeper.remainingMs();
    const cause = new Error('out of memory');
    crash(cause);
    expect(ended).toEqual([cause]);
    expect(keeper.remainingMs()).toBe(before);
    await time.advance(30_000);
    expect(sent.length).toBe(2);
    expect(calls.length).toBeGreaterThanOrEqual(9);
    expect((calls[0] ?? 0) - (sent[1]?.atMs ?? 0)).toBeCloseTo(10_000 / 3, -2);
    expect(states).toEqual([]);
    const later = open('9');
    await time.advance(15_000);
    expect(later.isLive()).toBe(true);
    for (const each of [keeper, later]) each.end('closed');
    expect(main.timerCount).toBe(0);
  });

  it('does not bring back a lease that is gone or stopped', async () => {
    const { time, keeper, open, crash, control, fallenBack, block } = await keep();
    const second = open('2');
    await time.advance(1_000);
    second.end('closed');
    block();
    control.ttlSeconds = 0;
    await time.advance(3_000);
    crash(undefined);
    expect(fallenBack).toEqual([]);
    expect(keeper.isLive()).toBe(false);
    expect(keeper.state).toMatchObject({ status: 'lost', reason: 'lease-gone' });
  });

  it('by `close` is no surprise: nothing is renewed, nothing is told', async () => {
    const { time, renewer, ended, fallenBack, main, beside, sent } = await keep();
    await renewer.ready;
    await renewer.close();
    await renewer.close();
    expect(ended).toEqual(['told to']);
    expect(fallenBack).toEqual([]);
    await time.advance(5_000);
    expect(sent).toEqual([]);
    expect(beside.timerCount).toBe(0);
    // The keeper's own two.
    expect(main.timerCount).toBe(2);
  });
});

describe('trouble', () => {
  it('comes with the instant of its send on the clock of whom it is for, never later', async () => {
    const { time, renewer, control, clock, sent } = await keep();
    control.ttlSeconds = new Error('no');
    const troubles: RenewalTrouble[] = [];
    const at = clock.now();
    const offsetMs = at.monotonicMs - time.nowMs;
    renewer.start({
      ...{ id: '7', clock, granted: { sentAt: at, ttlMs: 3_000 } },
      ...{ isWanted: () => true, onRenewed: () => {}, onTrouble: (trouble) => troubles.push(trouble) },
    });
    await time.advance(1_010);
    expect(troubles.length).toBe(1);
    const expected = (sent[0]?.atMs ?? 0) + offsetMs;
    expect(troubles[0]?.sentAt.monotonicMs).toBeLessThanOrEqual(expected);
    expect(troubles[0]?.sentAt.monotonicMs).toBeGreaterThan(expected - 0.01);
    expect(troubles[0]?.cause).toMatchObject({ code: 'internal', message: 'no' });
  });
});

describe('a client whose leases a thread renews', () => {
  it('is refused with a clock that is not the one by which the times of the thread are told', async () => {
    const { main, renewer } = await twoThreads();
    const store = storeWith(new MemoryServer().connect(), { leaseRenewer: renewer });
    const refused = {
      code: 'invalid-argument',
      message: expect.stringMatching(/^runtime .*accepted: none with renewal: 'worker'/),
    };
    await expect(Client.open({ store, runtime: new ManualRuntime() })).rejects.toMatchObject(refused);
    await expect(Client.open({ store })).rejects.toMatchObject(refused);
    await (await Client.open({ store, runtime: main })).close();
  });
});
