import { describe, expect, it } from 'vitest';
import type { Session } from '../../src/session/session.js';
import type { ManualTime } from '../support/manual-runtime.js';
import { settle } from '../support/manual-runtime.js';
import { type MachinesOptions, machines, value } from './machines.js';

/** True times at which the session says that it is lost and at which the server deletes its keys. */
async function timesOfEnd(
  time: ManualTime,
  session: Session,
  keys: () => Promise<readonly string[]>,
): Promise<{ lostAtMs: number; goneAtMs: number }> {
  let lostAtMs = Number.POSITIVE_INFINITY;
  session.signal.addEventListener('abort', () => {
    lostAtMs = time.nowMs;
  });
  for (let step = 0; step < 4_000; step += 1) {
    if ((await keys()).length === 0) return { lostAtMs, goneAtMs: time.nowMs };
    await time.advance(10);
  }
  throw new Error('the keys never went');
}

const rates: MachinesOptions[] = [
  { serverRate: 1, clientRate: 1 },
  { serverRate: 1.01, clientRate: 0.99 },
  { serverRate: 0.99, clientRate: 1.01 },
];

describe.each(rates)('a cut, server at rate $serverRate, client at $clientRate', (options) => {
  it.each(['lose-request', 'lose-reply'] as const)(
    'SESSION-1 aborts before the server gives the keys away: keep-alives that %s',
    async (fateOfAll) => {
      const { time, open, fate, sessionKeys } = machines(options);
      const session = await value(time, open());
      await time.advance(4_321);
      fate(() => fateOfAll);
      const { lostAtMs, goneAtMs } = await timesOfEnd(time, session, sessionKeys);
      expect(session.state).toMatchObject({ status: 'lost', reason: 'deadline' });
      expect(lostAtMs + 300).toBeLessThanOrEqual(goneAtMs);
    },
  );
});

describe('the signal', () => {
  it('may be listened to by many without Node.js taking that for a leak', async () => {
    const { time, open } = machines();
    const session = await value(time, open());
    const warnings: Error[] = [];
    const onWarning = (warning: Error) => warnings.push(warning);
    process.on('warning', onWarning);
    let aborted = 0;
    for (let index = 0; index < 50; index += 1) {
      session.signal.addEventListener('abort', () => {
        aborted += 1;
      });
    }
    await settle();
    process.off('warning', onWarning);
    expect(warnings).toEqual([]);
    await session.close();
    expect(aborted).toBe(50);
  });
});

describe('loss', () => {
  it('SESSION-4 a lease revoked elsewhere is noticed at the next keep-alive', async () => {
    const { time, open, other } = machines();
    const session = await value(time, open());
    await other.leaseRevoke(session.leaseId);
    await time.advance(3_400);
    expect(session.state).toMatchObject({ status: 'lost', reason: 'lease-gone' });
    expect(session.signal.reason).toMatchObject({ code: 'session-lost' });
    expect(() => session.assertLive()).toThrowError(expect.objectContaining({ code: 'session-lost' }));
    const reply = await other.txn({ compare: [session.guard()], success: [], failure: [] });
    expect(reply.succeeded).toBe(false);
  });

  it('SESSION-9 after the deadline the lease is revoked, but not before the margin has passed', async () => {
    const { time, runtime, open, fate, leaseCount } = machines();
    const session = await value(time, open());
    // The server renews and renews, but its replies are lost: left alone, the lease would outlive the session long.
    fate((call) => (call === 'leaseKeepAlive' ? 'lose-reply' : 'deliver'));
    await time.advance(9_503);
    expect(session.state).toMatchObject({ status: 'lost', reason: 'deadline' });
    expect(leaseCount()).toBe(1);
    await time.advance(490);
    expect(leaseCount()).toBe(1);
    await time.advance(20);
    expect(leaseCount()).toBe(0);
    expect(runtime.timerCount).toBe(0);
  });

  it('a session that stood still refuses before the stall is decided', async () => {
    const { time, runtime, open } = machines();
    const session = await value(time, open());
    runtime.pause();
    await time.advance(9_600);
    expect(() => session.assertLive()).toThrowError(
      expect.objectContaining({
        code: 'session-lost',
        details: expect.objectContaining({ reason: 'stalled' }),
      }),
    );
    expect(session.signal.aborted).toBe(false);
    await session.settled();
    expect(session.signal.aborted).toBe(true);
  });

  it('tells its listeners each change once, in order', async () => {
    const { time, open, fate } = machines();
    const session = await value(time, open());
    const heard: string[] = [];
    session.onChange(({ session: subject, state, previous }) => {
      expect(subject).toBe(session);
      heard.push(`${previous?.status} > ${state.status}`);
    });
    fate(() => 'lose-request');
    await time.advance(5_000);
    fate(() => 'deliver');
    await time.advance(2_000);
    fate(() => 'lose-request');
    await time.advance(20_000);
    expect(heard).toEqual([
      'healthy > suspect',
      'suspect > healthy',
      // Overdue, then at the deadline a stall being decided, then over.
      'healthy > suspect',
      'suspect > suspect',
      'suspect > lost',
    ]);
  });
});

describe('verify', () => {
  it('confirms a session that is there, at the cost of one read', async () => {
    const { time, open, count } = machines();
    const session = await value(time, open());
    expect(await session.verify()).toBe(true);
    expect(count('range')).toBe(1);
  });

  it('ends one of which the anchor was deleted, and clears its lease up', async () => {
    const { time, open, other, leaseCount } = machines();
    const session = await value(time, open());
    await other.txn({ compare: [], success: [{ type: 'delete', key: session.anchor }], failure: [] });
    expect(await session.verify()).toBe(false);
    expect(session.state).toMatchObject({ status: 'lost', reason: 'anchor-gone' });
    expect(leaseCount()).toBe(1);
    await time.advance(600);
    expect(leaseCount()).toBe(0);
    expect(await session.verify()).toBe(false);
  });

  it('says nothing about the session if the read fails', async () => {
    const { time, open, fate } = machines();
    const session = await value(time, open());
    fate((call) => (call === 'range' ? 'lose-reply' : 'deliver'));
    const refused = expect(session.verify({ timeoutMs: 500 })).rejects.toMatchObject({ code: 'timeout' });
    await time.advance(600);
    await refused;
    expect(session.isLive()).toBe(true);
  });
});

describe('close', () => {
  it('SESSION-8 ends the session at once, deletes its keys, and leaves no timer', async () => {
    const { time, runtime, open, sessionKeys, leaseCount } = machines();
    const session = await value(time, open());
    const closing = session.close();
    expect(session.state).toMatchObject({ status: 'lost', reason: 'closed' });
    expect(session.signal.aborted).toBe(true);
    await closing;
    await session.close();
    expect(await sessionKeys()).toEqual([]);
    expect(leaseCount()).toBe(0);
    expect(runtime.timerCount).toBe(0);
  });

  it('is bounded when the store is away, and goes on in the background until it is back', async () => {
    const { time, runtime, open, fate, leaseCount } = machines();
    const session = await value(time, open());
    fate(() => 'lose-request');
    const before = time.nowMs;
    await value(time, session.close());
    expect(time.nowMs - before).toBeLessThanOrEqual(2_200);
    expect(leaseCount()).toBe(1);
    fate(() => 'deliver');
    await time.advance(5_000);
    expect(leaseCount()).toBe(0);
    expect(runtime.timerCount).toBe(0);
  });

  it('leaves nothing in the background once the client is closed', async () => {
    const { time, runtime, open, fate, clientClosed } = machines();
    const session = await value(time, open());
    fate(() => 'lose-request');
    await value(time, session.close());
    clientClosed.abort();
    await settle();
    expect(runtime.timerCount).toBe(0);
  });

  it('takes a lease that is gone already for revoked', async () => {
    const { time, open, other, count } = machines();
    const session = await value(time, open());
    await other.leaseRevoke(session.leaseId);
    await session.close();
    await time.advance(5_000);
    expect(count('leaseRevoke')).toBe(1);
  });

  it('of a lost session does nothing', async () => {
    const { time, open, other, count } = machines();
    const session = await value(time, open());
    await other.leaseRevoke(session.leaseId);
    await time.advance(3_400);
    await session.close();
    expect(count('leaseRevoke')).toBe(0);
    expect(session.state).toMatchObject({ status: 'lost', reason: 'lease-gone' });
  });
});
