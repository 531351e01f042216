import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import type { QuorateError } from '../../src/errors.js';
import { openEtcd3Store } from '../../src/etcd3/index.js';
import { prefixRange, put, type Store, txnOf } from '../../src/store/index.js';
import { freePort } from '../support/etcd-process.js';
import { uniqueName } from '../support/stores.js';
import { WatchReader } from '../support/watch-reader.js';
import { OwnEtcd } from './own-etcd.js';
import { transports } from './transports.js';

describe.skipIf(inject('etcdEndpoint') === '').each(transports)(
  'a cluster of three, over %s',
  (transport) => {
    const members: OwnEtcd[] = [];
    const undo: (() => unknown)[] = [];

    beforeAll(async () => {
      const ports = [await freePort(), await freePort(), await freePort()];
      const cluster = Object.fromEntries(
        ports.map((port, index) => [`m${index}`, `http://127.0.0.1:${port}`]),
      );
      for (const [index, peerPort] of ports.entries()) {
        members.push(await OwnEtcd.create({ name: `m${index}`, cluster, peerPort }));
      }
      for (const member of members) member.spawn();
      await Promise.all(members.map((member) => member.healthy()));
    });
    afterEach(async () => {
      for (const step of undo.splice(0).reverse()) await step();
    });
    afterAll(() => Promise.all(members.map((member) => member.remove())));

    async function open(hosts: readonly string[]): Promise<Store> {
      const store = await openEtcd3Store({ transport, hosts, callTimeoutMs: 8_000 });
      undo.push(() => store.close());
      return store;
    }

    const outcome = (promise: Promise<unknown>) =>
      promise.then(
        () => 'ok',
        (error: QuorateError) => `${error.code} ${error.outcome}`,
      );

    it('loses no event and no acknowledged write when the member that serves it is killed', async () => {
      const prefix = `${uniqueName()}/`;
      const store = await open(members.map(({ endpoint }) => endpoint));
      const reader = new WatchReader(store.watch(prefixRange(prefix)));
      undo.push(() => reader.close());
      await reader.wait('opened');
      const acknowledged: number[] = [];
      let unknown = 0;
      const first = members[0];
      if (first === undefined) throw new Error('no members');
      for (let index = 0; index < 300; index += 1) {
        if (index === 100) await first.kill();
        const write = store.txn(txnOf({ success: [put(`${prefix}${index}`, '')] }));
        await write.then(
          ({ revision }) => acknowledged.push(revision),
          (error: QuorateError) => {
            if (error.outcome === 'unknown') unknown += 1;
          },
        );
      }
      expect(acknowledged.length).toBeGreaterThan(200);
      const last = acknowledged.at(-1) ?? 0;
      await reader.until(() => (reader.events.at(-1)?.kv.modRevision ?? 0) >= last, `revision ${last}`);
      const seen = reader.events.map(({ kv }) => kv.modRevision);
      expect(new Set(seen).size).toBe(seen.length);
      expect(seen).toEqual([...seen].sort((a, b) => a - b));
      for (const revision of acknowledged) expect(seen).toContain(revision);
      expect(seen.length - acknowledged.length).toBeLessThanOrEqual(unknown);
      first.spawn();
      await first.healthy();
    });

    it('without a quorum: a watch says interrupted, writes are refused as not applied, and all comes back', async () => {
      const [first, second, third] = members;
      if (!first || !second || !third) throw new Error('three members were started');
      const key = uniqueName();
      const store = await open([first.endpoint]);
      const reader = new WatchReader(store.watch({ key }));
      undo.push(() => reader.close());
      await reader.wait('opened');
      await Promise.all([second.kill(), third.kill()]);
      await reader.wait('interrupted');
      const end = Date.now() + 10_000;
      const write = () => store.txn(txnOf({ success: [put(key, '')] }), { timeoutMs: 1_000 });
      let last = await outcome(write());
      while (last !== 'unavailable not-applied' && Date.now() < end) last = await outcome(write());
      expect(last).toBe('unavailable not-applied');
      expect(await outcome(store.range({ key, serializable: true }))).toBe('ok');
      for (const member of [second, third]) member.spawn();
      await Promise.all([second.healthy(), third.healthy()]);
      await reader.wait('opened', 2);
      let applied = await outcome(write());
      while (applied !== 'ok' && Date.now() < end + 10_000) {
        await delay(100);
        applied = await outcome(write());
      }
      expect(applied).toBe('ok');
      const { kvs } = await store.range({ key });
      const version = kvs[0]?.version ?? 0;
      await reader.waitEvents(version);
      expect(reader.events.map(({ kv }) => kv.version)).toEqual(
        Array.from({ length: version }, (_, index) => index + 1),
      );
    });
  },
);
