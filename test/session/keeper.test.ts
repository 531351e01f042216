import { describe, expect, it } from 'vitest';
import { QuorateError } from '../../src/errors.js';
import { AgeClock } from '../../src/runtime/index.js';
import { Keeper, type StateChange } from '../../src/session/keeper.js';
import { LoopRenewer } from '../../src/store/loop-renewer.js';
import { ManualRuntime, settle } from '../support/manual-runtime.js';

interface Call {
  readonly atMs: number;
  readonly signal: AbortSignal | undefined;
  reply(ttlSeconds: number): Promise<void>;
  fail(): Promise<void>;
}

/** A keeper of a 10 s lease over a store whose replies the test gives by hand. Lifetime: 9,700 - 198.02 ms. */
function keep(options: { autoReply?: boolean } = {}) {
  const runtime = new ManualRuntime();
  const clock = new AgeClock(runtime);
  const calls: Call[] = [];
  const changes: StateChange[] = [];
  const control = { autoReply: options.autoReply ?? false };
  const store: ConstructorParameters<typeof LoopRenewer>[0] = {
    leaseKeepAlive: (_id, callOptions) =>
      new Promise((resolve, reject) => {
        calls.push({
          atMs: runtime.time.nowMs,
          signal: callOptions?.signal,
          reply: (ttlSeconds) => {
            resolve(ttlSeconds);
            return settle();
          },
          fail: () => {
            reject(new QuorateError('unavailable', 'cut', { outcome: 'unknown' }));
            return settle();
          },
        });
        if (control.autoReply) resolve(10);
      }),
  };
  const keeper = new Keeper({
    renewer: new LoopRenewer(store, runtime),
    ...{ runtime, clock, leaseId: '1', bounds: { clockRateError: 0.01, abortMs: 300 } },
    granted: { sentAt: clock.now(), ttlMs: 10_000 },
  });
  keeper.onChange((change) => changes.push(change));
  const call = (index: number): Call => {
    const found = calls[index];
    if (found === undefined) throw new Error(`no keep-alive number ${index}`);
    return found;
  };
  return { runtime, keeper, calls, call, changes, control };
}

const lifetime = 10_000 - 198.0198 - 300;

describe('keep-alives', () => {
  it('leave at a third of the TTL, counted from the last send', async () => {
    const { runtime, calls, changes } = keep({ autoReply: true });
    await runtime.advance(60_000);
    expect(calls.length).toBe(17);
    calls.forEach((call, index) => {
      expect(call.atMs).toBeGreaterThanOrEqual(((index + 1) * 10_000) / 3 - 1);
      expect(call.atMs).toBeLessThan(((index + 1) * 10_000) / 3 + 100);
    });
    expect(changes).toEqual([]);
  });

  it('leave each tenth of the TTL while none is acknowledged, several in flight', async () => {
    const { runtime, calls, keeper, changes } = keep();
    await runtime.advance(7_400);
    expect(calls.length).toBe(5);
    expect(calls.map((call) => Math.round(call.atMs / 100) * 100)).toEqual([
      3_300, 4_300, 5_300, 6_300, 7_300,
    ]);
    expect(changes.map((change) => change.state)).toEqual([
      expect.objectContaining({ status: 'suspect', reason: 'renewal-overdue' }),
    ]);
    expect(keeper.isLive()).toBe(true);
  });

  it('that fail make the session suspect once, and are tried again without haste', async () => {
    const { runtime, calls, call, changes } = keep();
    await runtime.advance(3_400);
    await call(0).fail();
    expect(changes.at(-1)?.state).toMatchObject({ status: 'suspect', reason: 'renewal-failed' });
    await runtime.advance(500);
    expect(calls.length).toBe(1);
    await runtime.advance(600);
    await call(1).fail();
    expect(changes.length).toBe(1);
    await runtime.advance(1_000);
    await call(2).reply(10);
    expect(changes.map((change) => change.state.status)).toEqual(['suspect', 'healthy']);
  });
});

describe('the deadline', () => {
  it('SESSION-2 counts from the send of the acknowledged keep-alive, not from its reply', async () => {
    const { runtime, keeper, call, changes } = keep();
    await runtime.advance(3_400);
    const { atMs } = call(0);
    await runtime.advance(4_000);
    await call(0).reply(10);
    expect(keeper.remainingMs()).toBeCloseTo(atMs + lifetime - 7_400, 1);
    await runtime.advance(atMs + lifetime - 7_400 - 2);
    expect(keeper.isLive()).toBe(true);
    await runtime.advance(2);
    expect(keeper.isLive()).toBe(false);
    expect(keeper.signal.aborted).toBe(true);
    expect(changes.at(-1)?.state).toMatchObject({ status: 'lost', reason: 'deadline' });
  });

  it('SESSION-2 counts from the newest acknowledged send, in whatever order the replies come', async () => {
    const { runtime, keeper, call } = keep();
    await runtime.advance(5_400);
    await call(2).reply(10);
    const remaining = keeper.remainingMs();
    expect(remaining).toBeCloseTo(call(2).atMs + lifetime - 5_400, 1);
    await call(0).reply(10);
    await call(1).fail();
    expect(keeper.remainingMs()).toBe(remaining);
    expect(keeper.state.status).toBe('healthy');
  });

  it('SESSION-2 counts with the TTL in the reply, not the one granted', async () => {
    const { runtime, keeper, call } = keep();
    await runtime.advance(3_400);
    await call(0).reply(6);
    expect(keeper.remainingMs()).toBeCloseTo(call(0).atMs + 6_000 - (0.02 * 6_000) / 1.01 - 300 - 3_400, 1);
  });

  it('is met by a timer that fires a little early, and not waited for in ever smaller steps', async () => {
    const { runtime, keeper, call } = keep();
    const setTimer = runtime.setTimer.bind(runtime);
    let timers = 0;
    runtime.setTimer = (delayMs, callback) => {
      timers += 1;
      return setTimer(Math.max(0, delayMs - 0.5), timers > 100 ? () => {} : callback);
    };
    await runtime.advance(3_400);
    await call(0).reply(10);
    await runtime.advance(12_000);
    expect(keeper.state).toMatchObject({ status: 'lost', reason: 'deadline' });
    expect(timers).toBeLessThan(100);
  });

  it('SESSION-3 is final: an acknowledgement that comes later changes nothing', async () => {
    const { runtime, keeper, calls, call } = keep();
    await runtime.advance(9_600);
    expect(keeper.state).toMatchObject({ status: 'lost', reason: 'deadline' });
    expect(calls.every((sent) => sent.signal?.aborted)).toBe(true);
    await call(calls.length - 1).reply(10);
    expect(keeper.isLive()).toBe(false);
    expect(keeper.remainingMs()).toBe(0);
    expect(runtime.timerCount).toBe(0);
  });

  it('aborts with a coded error before it tells its listeners', async () => {
    const { runtime, keeper } = keep();
    let abortedWhenTold: boolean | undefined;
    keeper.onChange(({ state }) => {
      if (state.status === 'lost') abortedWhenTold = keeper.signal.aborted;
    });
    await runtime.advance(9_600);
    expect(abortedWhenTold).toBe(true);
    expect(keeper.signal.reason).toMatchObject({ code: 'session-lost', details: { reason: 'deadline' } });
  });
});

describe('a lease that is gone', () => {
  it('SESSION-4 ends the session as soon as a keep-alive says so', async () => {
    const { runtime, keeper, call } = keep();
    await runtime.advance(3_400);
    await call(0).reply(0);
    expect(keeper.state).toMatchObject({ status: 'lost', reason: 'lease-gone' });
    expect(runtime.timerCount).toBe(0);
  });
});

describe('a pause', () => {
  it('SESSION-5 past the deadline is seen by the first check, before any timer has run', async () => {
    const { runtime, keeper, control } = keep();
    control.autoReply = true;
    runtime.pause();
    await runtime.advance(lifetime + 1);
    expect(keeper.signal.aborted).toBe(false);
    expect(keeper.isLive()).toBe(false);
    expect(keeper.state).toMatchObject({ status: 'suspect', reason: 'stalled' });
    await settle();
    expect(keeper.state).toMatchObject({ status: 'lost', reason: 'deadline' });
  });

  it('SESSION-5 past the deadline is lost by late timers too, with no keep-alive sent first', async () => {
    const { runtime, keeper, calls } = keep({ autoReply: true });
    runtime.pause();
    await runtime.advance(12_000);
    runtime.resume();
    await runtime.advance(0);
    expect(calls.length).toBe(0);
    expect(keeper.state).toMatchObject({ status: 'lost', reason: 'deadline' });
  });

  it('short of the deadline costs nothing', async () => {
    const { runtime, keeper, changes } = keep({ autoReply: true });
    runtime.pause();
    await runtime.advance(9_000);
    expect(keeper.isLive()).toBe(true);
    runtime.resume();
    await runtime.advance(20_000);
    expect(keeper.isLive()).toBe(true);
    expect(changes).toEqual([]);
  });

  it('SESSION-6 with the acknowledgement in the socket refuses checks, reads it, and goes on', async () => {
    const { runtime, keeper, call, changes } = keep();
    await runtime.advance(3_400);
    runtime.pause();
    // The deadline of the grant passes; the keep-alive sent at 3.3 s moves it to 12.8 s.
    await runtime.advance(6_500);
    expect(keeper.isLive()).toBe(false);
    const read = call(0).reply(10);
    expect(keeper.isLive()).toBe(false);
    await read;
    expect(keeper.isLive()).toBe(true);
    expect(keeper.signal.aborted).toBe(false);
    expect(changes.map(({ state }) => state.status)).toEqual(['suspect', 'healthy']);
    runtime.resume();
    await runtime.advance(1_000);
    expect(keeper.isLive()).toBe(true);
  });

  it('SESSION-6 is not revived by an acknowledgement whose own deadline has passed as well', async () => {
    const { runtime, keeper, call, changes } = keep();
    await runtime.advance(3_400);
    runtime.pause();
    await runtime.advance(13_000);
    expect(keeper.isLive()).toBe(false);
    await call(0).reply(10);
    expect(keeper.state).toMatchObject({ status: 'lost', reason: 'deadline' });
    expect(changes.map(({ state }) => state.status)).toEqual(['suspect', 'lost']);
  });

  it('resolves `settled` when a stall is decided', async () => {
    const { runtime, keeper } = keep();
    await keeper.settled();
    expect(keeper.isLive()).toBe(true);
    runtime.pause();
    await runtime.advance(lifetime + 1);
    await keeper.settled();
    expect(keeper.state.status).toBe('lost');
  });
});

describe('clocks that go wrong', () => {
  it('SESSION-5 a machine that slept finds its session lost at the first check, and by itself within a tenth of the TTL', async () => {
    const { runtime, keeper, control } = keep({ autoReply: true });
    await runtime.advance(5_000);
    control.autoReply = false;
    runtime.sleepMachine();
    await runtime.advance(15_000);
    runtime.wakeMachine();
    await runtime.advance(1_001);
    expect(keeper.signal.aborted).toBe(true);
    expect(keeper.state).toMatchObject({ status: 'lost', reason: 'deadline' });
  });

  it('a short sleep is survived', async () => {
    const { runtime, keeper } = keep({ autoReply: true });
    await runtime.advance(5_000);
    runtime.sleepMachine();
    await runtime.advance(4_000);
    runtime.wakeMachine();
    await runtime.advance(30_000);
    expect(keeper.state.status).toBe('healthy');
  });

  it('a wall clock stepped back changes nothing', async () => {
    const { runtime, keeper, control } = keep({ autoReply: true });
    await runtime.advance(5_000);
    runtime.stepWall(-3_600_000);
    await runtime.advance(30_000);
    expect(keeper.state.status).toBe('healthy');
    control.autoReply = false;
    await runtime.advance(13_000);
    expect(keeper.state.status).toBe('lost');
  });

  it('a wall clock stepped forward costs a session at worst, and only if it passes the deadline', async () => {
    const small = keep({ autoReply: true });
    await small.runtime.advance(5_000);
    small.runtime.stepWall(2_000);
    await small.runtime.advance(30_000);
    expect(small.keeper.state.status).toBe('healthy');
    const big = keep({ autoReply: true });
    await big.runtime.advance(5_000);
    big.runtime.stepWall(3_600_000);
    expect(big.keeper.isLive()).toBe(false);
    await settle();
    expect(big.keeper.state).toMatchObject({ status: 'lost', reason: 'deadline' });
  });
});

describe('listeners', () => {
  it('may end the keeper from within, and ask it from within', async () => {
    const { runtime, keeper } = keep();
    keeper.onChange(({ state }) => {
      keeper.isLive();
      if (state.status === 'suspect') keeper.end('closed');
    });
    await runtime.advance(5_000);
    expect(keeper.state).toMatchObject({ status: 'lost', reason: 'closed' });
    expect(runtime.timerCount).toBe(0);
  });
});
