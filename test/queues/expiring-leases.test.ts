import { describe, expect, it } from 'vitest';
import { QuorateError } from '../../src/errors.js';
import { ExpiringLeases } from '../../src/queues/expiring-leases.js';
import { ManualRuntime } from '../support/manual-runtime.js';

describe('leases of keys that go by themselves', () => {
  it('are shared for a while, and outlast it by the time asked for', async () => {
    const runtime = new ManualRuntime();
    const granted: { id: string; ttlSeconds: number }[] = [];
    const store = {
      leaseGrant: (lease: { id: string; ttlSeconds: number }) => {
        granted.push(lease);
        return Promise.resolve(lease);
      },
    };
    const leases = new ExpiringLeases(store, runtime);
    const first = await leases.leaseFor(80_000);
    await runtime.advance(8_900);
    expect(await leases.leaseFor(80_000)).toBe(first);
    expect(await leases.leaseFor(2_500)).not.toBe(first);
    await runtime.advance(200);
    const second = await leases.leaseFor(80_000);
    expect(second).not.toBe(first);
    leases.forget();
    expect(await leases.leaseFor(80_000)).not.toBe(second);
    expect(granted.map(({ ttlSeconds }) => ttlSeconds)).toEqual([90, 4, 90, 90]);
  });

  it('are asked for again under the same id where the reply was lost, and another time where it was refused', async () => {
    const ids: string[] = [];
    const outcomes = ['unavailable', 'lease-exists', 'permission-denied', undefined] as const;
    const store = {
      leaseGrant: (lease: { id: string; ttlSeconds: number }) => {
        const code = outcomes[ids.length];
        ids.push(lease.id);
        return code === undefined ? Promise.resolve(lease) : Promise.reject(new QuorateError(code, 'no'));
      },
    };
    const leases = new ExpiringLeases(store, new ManualRuntime());
    const first = await leases.leaseFor(1_000);
    expect(ids).toEqual([first, first]);
    leases.forget();
    await expect(leases.leaseFor(1_000)).rejects.toMatchObject({ code: 'permission-denied' });
    expect(await leases.leaseFor(1_000)).toBe(ids[3]);
  });
});
