import { describe, expect, it } from 'vitest';
import { QuorateError } from '../../src/errors.js';
import { settle } from '../support/manual-runtime.js';
import { machines, settled, value } from './machines.js';

describe('opening', () => {
  it('takes a lease and one transaction, and leaves a guard that holds', async () => {
    const { open, time, count, other, sessionKeys } = machines();
    const session = await value(time, open());
    expect([count('leaseGrant'), count('txn'), count('leaseKeepAlive')]).toEqual([1, 1, 0]);
    expect(session.anchor).toBe(`ns/session/${session.id}/anchor`);
    expect(await sessionKeys()).toEqual([session.anchor]);
    expect(session.ttlMs).toBe(10_000);
    expect(session.state).toEqual({ status: 'healthy' });
    const reply = await other.txn({ compare: [session.guard()], success: [], failure: [] });
    expect(reply.succeeded).toBe(true);
    const { kvs } = await other.range({ key: session.anchor });
    expect(kvs[0]).toMatchObject({ createRevision: session.anchorRevision, lease: session.leaseId });
  });

  it('SESSION-7 survives the loss of the reply to the grant: one lease, and the deadline from a send', async () => {
    const { open, time, fate, count, leaseCount, runtime } = machines();
    fate((call, nth) => (call === 'leaseGrant' && nth === 0 ? 'lose-reply' : 'deliver'));
    const session = await value(time, open());
    expect([count('leaseGrant'), count('leaseKeepAlive')]).toEqual([2, 1]);
    expect(leaseCount()).toBe(1);
    expect(session.remainingMs).toBeLessThanOrEqual(9_502);
    expect(session.remainingMs).toBeGreaterThan(9_502 - 200);
    await runtime.advance(20_000);
    expect(session.isLive()).toBe(true);
  });

  it('SESSION-7 survives the loss of the grant itself', async () => {
    const { open, time, fate, leaseCount } = machines();
    fate((call, nth) => (call === 'leaseGrant' && nth < 2 ? 'lose-request' : 'deliver'));
    const session = await value(time, open());
    expect(leaseCount()).toBe(1);
    expect(session.isLive()).toBe(true);
  });

  it('SESSION-7 survives the loss of the keep-alive that asks for the TTL', async () => {
    const { open, time, fate, leaseCount } = machines();
    fate((call, nth) =>
      (call === 'leaseGrant' || call === 'leaseKeepAlive') && nth === 0 ? 'lose-reply' : 'deliver',
    );
    const session = await value(time, open());
    expect(leaseCount()).toBe(1);
    expect(session.isLive()).toBe(true);
  });

  it("takes another lease id if the first is somebody else's", async () => {
    const { open, time, store, other, leaseCount } = machines();
    const grant = store.leaseGrant.bind(store);
    let first = true;
    Object.assign(store, {
      leaseGrant: async (request: { id: string; ttlSeconds: number }) => {
        if (first) await other.leaseGrant(request);
        first = false;
        return grant(request);
      },
    });
    const session = await value(time, open());
    expect(leaseCount()).toBe(2);
    await other.leaseTimeToLive(session.leaseId);
    await session.close();
    expect(leaseCount()).toBe(1);
  });

  it('begins anew if the lease ends before the anchor is put', async () => {
    const { open, time, store, server, sessionKeys } = machines();
    const txn = store.txn.bind(store);
    let first = true;
    Object.assign(store, {
      txn: (...args: Parameters<typeof txn>) => {
        if (first) for (const id of server.engine.leases()) server.engine.leaseRevoke(id);
        first = false;
        return txn(...args);
      },
    });
    const session = await value(time, open());
    expect(session.isLive()).toBe(true);
    expect(await sessionKeys()).toEqual([session.anchor]);
  });

  it('rejects with unreachable within its limit if nothing answers, and leaves no timer', async () => {
    const { open, time, fate, runtime } = machines();
    fate(() => 'lose-request');
    const before = time.nowMs;
    const { error } = await settled(time, open({ withinMs: 3_000 }));
    expect(error).toMatchObject({ code: 'unreachable' });
    expect(time.nowMs - before).toBeLessThanOrEqual(3_200);
    await time.advance(12_000);
    expect(runtime.timerCount).toBe(0);
  });

  it('SESSION-8 leaves neither lease nor anchor behind if the anchor cannot be put', async () => {
    const { open, time, fate, leaseCount, sessionKeys, runtime } = machines();
    fate((call) => (call === 'txn' ? 'lose-reply' : 'deliver'));
    const { error } = await settled(time, open());
    expect(error).toMatchObject({ code: 'unreachable' });
    await time.advance(100);
    expect(leaseCount()).toBe(0);
    expect(await sessionKeys()).toEqual([]);
    expect(runtime.timerCount).toBe(0);
  });

  it('SESSION-8 given up midway leaves nothing behind', async () => {
    for (const lost of ['leaseGrant', 'txn'] as const) {
      const { open, time, fate, leaseCount, runtime } = machines();
      fate((call) => (call === lost ? 'lose-reply' : 'deliver'));
      const controller = new AbortController();
      const opening = open({ signal: controller.signal });
      await time.advance(100);
      expect(leaseCount()).toBe(1);
      controller.abort(new Error('enough'));
      const { error } = await settled(time, opening);
      expect(error).toMatchObject({ code: 'aborted', cause: expect.objectContaining({ message: 'enough' }) });
      await time.advance(100);
      expect(leaseCount()).toBe(0);
      expect(runtime.timerCount).toBe(0);
    }
  });

  it('SESSION-7 given up while it waits to ask again for a lost grant leaves no lease', async () => {
    const { open, time, store, leaseCount, runtime } = machines();
    const grant = store.leaseGrant.bind(store);
    Object.assign(store, {
      leaseGrant: async (...args: Parameters<typeof grant>) => {
        await grant(...args);
        throw new QuorateError('unavailable', 'cut', { outcome: 'unknown' });
      },
    });
    const controller = new AbortController();
    const opening = open({ signal: controller.signal });
    await settle();
    expect(leaseCount()).toBe(1);
    controller.abort();
    expect((await settled(time, opening)).error).toMatchObject({ code: 'aborted' });
    await time.advance(100);
    expect(leaseCount()).toBe(0);
    expect(runtime.timerCount).toBe(0);
  });

  it('passes on at once what asking again cannot help', async () => {
    const { open, time, store, count } = machines();
    Object.assign(store, {
      leaseGrant: async () => {
        throw new QuorateError('permission-denied', 'no');
      },
    });
    const before = time.nowMs;
    const { error } = await settled(time, open());
    expect(error).toMatchObject({ code: 'permission-denied' });
    expect(time.nowMs).toBe(before);
    expect(count('txn')).toBe(0);
  });
});
