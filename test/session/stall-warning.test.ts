import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { systemRuntime } from '../../src/runtime/index.js';
import { Client, type ClientOptions, type EventLoopStall } from '../../src/session/index.js';
import { StallMonitor } from '../../src/session/stall-monitor.js';
import { settle } from '../support/manual-runtime.js';
import { machines, value } from './machines.js';

/** A client on a machine of its own, and what it tells of stalls. */
async function listening(options: Partial<ClientOptions> = {}) {
  const { time, runtime, store, fate } = machines();
  const client = await value(time, Client.open({ store, runtime, ...options }));
  onTestFinished(() => client.close());
  const stalls: EventLoopStall[] = [];
  const remove = client.onStall((stall) => stalls.push(stall));
  const session = await value(time, client.session());
  await time.advance(3_000);
  /** The process stands still, and goes on. */
  const stall = async (ms: number) => {
    runtime.pause();
    await time.advance(ms);
    runtime.resume();
    await time.advance(0);
    await settle();
  };
  return { time, runtime, store, fate, client, session, stalls, stall, remove };
}

describe('onStall', () => {
  it('tells how long the event loop stood still, from a tenth of the TTL on', async () => {
    const { stall, stalls, time, session, runtime } = await listening();
    await stall(1_900);
    expect(stalls.length).toBe(0);
    await time.advance(700);
    await stall(4_000);
    expect(stalls).toEqual([{ lateMs: expect.any(Number), sleptMs: 0, ttlMs: 10_000, at: runtime.wallMs() }]);
    // The last tick before it was at most a tenth of the TTL earlier.
    expect(stalls[0]?.lateMs).toBeGreaterThanOrEqual(3_000);
    expect(stalls[0]?.lateMs).toBeLessThanOrEqual(4_000);
    expect(session.isLive()).toBe(true);
    await time.advance(60_000);
    expect(stalls.length).toBe(1);
  });

  it('tells once of a stall that several sessions notice, as long as the first of them saw it', async () => {
    const { stall, stalls, time, client } = await listening();
    await value(time, client.openSession({ ttlMs: 20_000 }));
    await time.advance(130);
    await value(time, client.openSession({ ttlMs: 8_000 }));
    await time.advance(799);
    // The tick of the last session was due at this moment, nearly.
    await stall(5_000);
    expect(stalls.length).toBe(1);
    expect(stalls[0]?.ttlMs).toBe(8_000);
    expect(stalls[0]?.lateMs).toBeGreaterThan(4_900);
  });

  it('tells of one that the session did not survive, noticed by a check before any timer', async () => {
    const { time, runtime, session, stalls } = await listening();
    runtime.pause();
    await time.advance(12_000);
    expect(session.isLive()).toBe(false);
    await settle();
    expect(session.state).toMatchObject({ status: 'lost', reason: 'deadline' });
    expect(stalls.length).toBe(1);
    expect(stalls[0]?.lateMs).toBeGreaterThanOrEqual(11_000);
  });

  it('takes a sleep of the machine for no stall, and tells one during a stall apart from it', async () => {
    const { time, runtime, stalls } = await listening();
    runtime.sleepMachine();
    await time.advance(4_000);
    runtime.wakeMachine();
    await time.advance(2_000);
    expect(stalls).toEqual([]);
    runtime.pause();
    await time.advance(3_000);
    runtime.sleepMachine();
    await time.advance(2_500);
    runtime.wakeMachine();
    runtime.resume();
    await time.advance(0);
    await settle();
    expect(stalls.length).toBe(1);
    expect(stalls[0]?.lateMs).toBeLessThanOrEqual(3_000);
    expect(stalls[0]?.sleptMs).toBeCloseTo(2_500, 0);
  });

  it.each([0, Number.POSITIVE_INFINITY])('is switched off by a limit of %d', async (stallWarningMs) => {
    const { stall, stalls } = await listening({ stallWarningMs });
    await stall(5_000);
    expect(stalls).toEqual([]);
  });

  it('tells from another limit on, until its removal', async () => {
    const { stall, stalls, remove, time } = await listening({ stallWarningMs: 5_000 });
    await stall(5_000);
    expect(stalls).toEqual([]);
    await time.advance(5_000);
    await stall(6_500);
    expect(stalls.length).toBe(1);
    remove();
    await time.advance(5_000);
    await stall(6_500);
    expect(stalls.length).toBe(1);
  });

  it.each([-1, Number.NaN, '5'])('refuses a limit of %s', async (stallWarningMs) => {
    const { store } = machines();
    await expect(Client.open({ store, stallWarningMs } as unknown as ClientOptions)).rejects.toMatchObject({
      code: 'invalid-argument',
      message: expect.stringContaining('stallWarningMs'),
    });
  });
});

describe('the warning', () => {
  function monitor(isRenewedBeside: boolean) {
    let nowMs = 1_000_000;
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => nowMs);
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    onTestFinished(() => {
      clock.mockRestore();
      warned.mockRestore();
    });
    const stalls = new StallMonitor({ runtime: systemRuntime, warningMs: undefined, isRenewedBeside });
    return {
      stalls,
      texts: () => warned.mock.calls.map(([text]) => String(text)),
      late: async () => {
        stalls.late({ lateMs: 4_321.4, sleptMs: 0, ttlMs: 10_000 });
        await settle();
      },
      pass: (ms: number) => {
        nowMs += ms;
      },
    };
  }

  it('is given where nobody listens, at most once a minute, and says what is at stake and what to do', async () => {
    const { stalls, texts, late, pass } = monitor(false);
    await late();
    pass(54_000);
    await late();
    expect(texts().length).toBe(1);
    expect(texts()[0]).toContain('4321 ms');
    expect(texts()[0]).toContain("renewal: 'worker'");
    pass(6_001);
    await late();
    expect(texts().length).toBe(2);
    stalls.onStall(() => {});
    pass(61_000);
    await late();
    expect(texts().length).toBe(2);
  });

  it('says something else where a worker renews the leases', async () => {
    const { texts, late } = monitor(true);
    await late();
    expect(texts()[0]).toContain('longestStallMs');
    expect(texts()[0]).not.toContain("renewal: 'worker'");
  });
});
