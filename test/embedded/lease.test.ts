import { expect, it } from 'vitest';
import { describeBoth } from './both-servers.js';
import { bytes } from './raw-client.js';

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describeBoth('leases in real time', (server) => {
  it('ends a lease after its TTL, not before, and deletes its keys in one revision', async () => {
    const { client } = server();
    const stream = client.stream('Watch', 'Watch');
    stream.send({ create_request: { key: bytes('expiring/'), range_end: bytes('expiring0') } });
    await stream.next();
    const start = performance.now();
    const { ID } = await client.call('Lease', 'LeaseGrant', { TTL: '2' });
    for (const key of ['expiring/a', 'expiring/b']) {
      await client.call('KV', 'Put', { key: bytes(key), lease: ID });
    }
    await stream.collect(2);
    const gone = await stream.next();
    expect(performance.now() - start).toBeGreaterThanOrEqual(2_000);
    expect(gone.events).toMatchObject([
      { type: 'Delete', kv: { key: bytes('expiring/a') } },
      { type: 'Delete', kv: { key: bytes('expiring/b') } },
    ]);
    stream.cancel();
    expect(await client.call('Lease', 'LeaseTimeToLive', { ID })).toMatchObject({
      TTL: '-1',
      grantedTTL: '0',
    });
  });

  it('keeps a lease alive on a stream that answers in order, 0 for one that is not there', async () => {
    const { client } = server();
    const { ID } = await client.call('Lease', 'LeaseGrant', { TTL: '2' });
    const stream = client.stream('Lease', 'LeaseKeepAlive');
    const until = performance.now() + 3_500;
    while (performance.now() < until) {
      stream.send({ ID });
      stream.send({ ID: '424242' });
      expect(await stream.collect(2)).toMatchObject([
        { ID, TTL: '2' },
        { ID: '424242', TTL: '0' },
      ]);
      await pause(400);
    }
    expect((await client.call('Lease', 'LeaseLeases', {})).leases).toContainEqual({ ID });
    stream.raw.end();
    expect((await stream.ended).code).toBe(0);
  });

  it('chooses positive ids that differ, and tells the keys of a lease', async () => {
    const { client } = server();
    const grants = await Promise.all(
      Array.from({ length: 20 }, () => client.call('Lease', 'LeaseGrant', { TTL: '60' })),
    );
    const ids = grants.map((grant) => BigInt(grant.ID as string));
    expect(new Set(ids).size).toBe(20);
    expect(ids.every((id) => id > 0n)).toBe(true);
    const ID = String(ids[0]);
    await client.call('KV', 'Put', { key: bytes('of-a-lease\xff'), lease: ID });
    expect(await client.call('Lease', 'LeaseTimeToLive', { ID, keys: true })).toMatchObject({
      grantedTTL: '60',
      keys: [bytes('of-a-lease\xff')],
    });
  });
});
