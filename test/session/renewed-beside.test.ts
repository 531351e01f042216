import { describe, expect, it } from 'vitest';
import { AgeClock, type ClockReading } from '../../src/runtime/index.js';
import { Keeper } from '../../src/session/keeper.js';
import type { LeaseToRenew, Renewal } from '../../src/store/index.js';
import { ManualRuntime, settle } from '../support/manual-runtime.js';

const lifetimeMs = 10_000 - 198.0198 - 300;

/** A keeper of a 10 s lease that somebody else renews, of whom the test decides what he knows and when he says so. */
function keep() {
  const runtime = new ManualRuntime();
  const clock = new AgeClock(runtime);
  let lease: LeaseToRenew | undefined;
  let newest: Renewal | undefined;
  let isStopped = false;
  const keeper = new Keeper({
    renewer: {
      start: (toRenew) => {
        lease = toRenew;
        return {
          latest: () => newest,
          stop: () => {
            isStopped = true;
          },
        };
      },
    },
    ...{ runtime, clock, leaseId: '1', bounds: { clockRateError: 0.01, abortMs: 300 } },
    granted: { sentAt: clock.now(), ttlMs: 10_000 },
  });
  const states: string[] = [];
  keeper.onChange(({ state }) => states.push(state.status === 'healthy' ? 'healthy' : state.reason));
  const read = (): ClockReading => ({ monotonicMs: runtime.monotonicMs(), wallMs: runtime.wallMs() });
  return {
    ...{ runtime, clock, keeper, states, read },
    /** What was sent then is acknowledged now; nobody has heard of it yet. */
    acknowledge: (sent: ClockReading, ttlMs = 10_000) => {
      newest = { sentAt: clock.at(sent), ttlMs };
    },
    tell: () => lease?.onRenewed(),
    trouble: (sent: ClockReading, kind: 'overdue' | 'failed') =>
      lease?.onTrouble({ sentAt: clock.at(sent), kind }),
    isStopped: () => isStopped,
  };
}

describe('a lease that is renewed by somebody else', () => {
  it('SESSION-2 lives by the send of the newest acknowledged keep-alive, heard of or not', async () => {
    const { runtime, keeper, acknowledge, read } = keep();
    runtime.pause();
    await runtime.advance(4_000);
    const sent = read();
    await runtime.advance(3_000);
    expect(keeper.remainingMs()).toBeCloseTo(lifetimeMs - 7_000, 3);
    acknowledge(sent);
    expect(keeper.remainingMs()).toBeCloseTo(lifetimeMs - 3_000, 3);
    acknowledge(sent, 6_000);
    expect(keeper.remainingMs()).toBeCloseTo(6_000 - 118.8119 - 300 - 3_000, 3);
  });

  it('SESSION-2 SESSION-5 is over at its deadline if what is acknowledged is too old, however late it is looked at', async () => {
    const { runtime, keeper, acknowledge, read, isStopped } = keep();
    runtime.pause();
    await runtime.advance(2_000);
    const sent = read();
    await runtime.advance(lifetimeMs + 1);
    acknowledge(sent);
    expect(keeper.isLive()).toBe(false);
    await settle();
    expect(keeper.state).toMatchObject({ status: 'lost', reason: 'deadline' });
    expect(isStopped()).toBe(true);
  });

  it('SESSION-3 is not brought back by what is acknowledged after its end', async () => {
    const { runtime, keeper, acknowledge, tell, read } = keep();
    await runtime.advance(9_000);
    const sent = read();
    await runtime.advance(1_000);
    expect(keeper.state.status).toBe('lost');
    acknowledge(sent);
    tell();
    expect(keeper.isLive()).toBe(false);
    expect(keeper.remainingMs()).toBe(0);
    expect(runtime.timerCount).toBe(0);
  });

  it('is not made older by an acknowledgement of an earlier send', async () => {
    const { runtime, keeper, acknowledge, tell, read } = keep();
    await runtime.advance(1_000);
    const earlier = read();
    await runtime.advance(1_000);
    acknowledge(read());
    tell();
    const remainingMs = keeper.remainingMs();
    acknowledge(earlier, 60_000);
    tell();
    expect(keeper.remainingMs()).toBe(remainingMs);
  });

  it('SESSION-4 is over as soon as anybody looks once it is gone, or hears of it', async () => {
    for (const how of ['look', 'hear'] as const) {
      const { runtime, keeper, acknowledge, tell, read, states } = keep();
      await runtime.advance(1_000);
      const earlier = read();
      await runtime.advance(1_000);
      acknowledge(read());
      tell();
      acknowledge(earlier, 0);
      if (how === 'look') expect(keeper.isLive()).toBe(false);
      else tell();
      expect(states).toEqual(['lease-gone']);
      expect(keeper.signal.aborted).toBe(true);
      expect(runtime.timerCount).toBe(0);
    }
  });

  it('sets its deadline anew by a tick or its timer where no message comes', async () => {
    const { runtime, keeper, acknowledge, read, states } = keep();
    for (let round = 0; round < 20; round += 1) {
      acknowledge(read());
      await runtime.advance(3_000);
    }
    expect(states).toEqual([]);
    await runtime.advance(lifetimeMs - 3_000 - 1.5);
    expect(keeper.isLive()).toBe(true);
    await runtime.advance(1.5);
    expect(keeper.signal.aborted).toBe(true);
  });

  it('is in doubt for a trouble of after the newest renewal alone, and healthy again by the next', async () => {
    const { runtime, acknowledge, tell, trouble, read, states } = keep();
    await runtime.advance(1_000);
    const earlier = read();
    await runtime.advance(1_000);
    acknowledge(read());
    trouble(earlier, 'failed');
    expect(states).toEqual([]);
    await runtime.advance(1_000);
    trouble(read(), 'overdue');
    trouble(read(), 'failed');
    await runtime.advance(1_000);
    acknowledge(read());
    tell();
    expect(states).toEqual(['renewal-overdue', 'renewal-failed', 'healthy']);
  });

  it('SESSION-6 goes on after a stall if it is found to have been renewed, and says so', async () => {
    const { runtime, keeper, acknowledge, read, states } = keep();
    runtime.pause();
    await runtime.advance(9_600);
    expect(keeper.isLive()).toBe(false);
    acknowledge(read());
    expect(keeper.isLive()).toBe(true);
    await keeper.settled();
    await settle();
    expect(states).toEqual(['stalled', 'healthy']);
    expect(keeper.signal.aborted).toBe(false);
  });

  it('SESSION-12 counts what its own clock learned of sleep since it last looked against a send that it cannot place', async () => {
    const { runtime, keeper, acknowledge, read } = keep();
    await runtime.advance(950);
    runtime.pause();
    await runtime.advance(1_000);
    runtime.sleepMachine();
    await runtime.advance(5_000);
    runtime.wakeMachine();
    await runtime.advance(500);
    const sent = read();
    await runtime.advance(100);
    acknowledge(sent);
    expect(keeper.remainingMs()).toBeCloseTo(lifetimeMs - 5_100, 1);
    // From now on it knows of the sleep.
    await runtime.advance(100);
    acknowledge(read());
    expect(keeper.remainingMs()).toBeCloseTo(lifetimeMs, 1);
  });
});
