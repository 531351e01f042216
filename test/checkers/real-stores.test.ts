import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { checkMutex, type Grant, recordHistory } from '../../src/checkers/index.js';
import { startEmbedded } from '../../src/embedded/index.js';
import { openEtcd3Store } from '../../src/etcd3/index.js';
import { Mutex } from '../../src/locks/index.js';
import { MemoryServer } from '../../src/memory/index.js';
import { Client } from '../../src/session/index.js';
import { put, type Store } from '../../src/store/index.js';
import { findEtcd, startEtcd } from '../support/etcd-process.js';

const processes = 3;
const rounds = 15;

/** Servers of their own, since a history begins with the first revision. */
const servers: Readonly<Record<string, () => Promise<() => Promise<Store>>>> = {
  memory: async () => {
    const server = new MemoryServer();
    onTestFinished(() => server.close());
    return async () => server.connect();
  },
  embedded: async () => {
    const server = await startEmbedded();
    onTestFinished(() => server.close());
    return () => openEtcd3Store({ hosts: server.endpoint });
  },
  etcd: async () => {
    const etcd = await startEtcd(findEtcd());
    onTestFinished(() => etcd.stop());
    return () => openEtcd3Store({ hosts: etcd.endpoint });
  },
};

/** Clients contend for a lock and write under it, while one's lease is revoked now and then. */
async function contend(connect: () => Promise<Store>) {
  const observer = await connect();
  onTestFinished(() => observer.close());
  const recording = recordHistory(observer);
  const grants: Grant[] = [];
  const work = Array.from({ length: processes }, async (_, index) => {
    const client = await Client.open({ store: await connect(), closeStore: true, namespace: 'real' });
    const mutex = new Mutex(client, 'm');
    for (let round = 0; round < rounds; round += 1) {
      const hold = await mutex.acquire();
      grants.push({ process: client.label, place: hold.guard().key, token: hold.token });
      const write = hold.txn({ success: [put('resource', String(hold.token))] });
      // Refused, where the lease was revoked.
      await write.catch(() => {});
      if (index === 0 && round % 5 === 4) await observer.leaseRevoke((await client.session()).leaseId);
      await hold.release();
    }
    const line = `${client.keys.prefix('lock', 'm')}l/`;
    await client.close();
    return line;
  });
  const [line = ''] = await Promise.all(work);
  await delay(50);
  const { revision } = await observer.range({ key: 'resource' });
  return { history: await recording.stop(revision), grants, line };
}

describe('histories of real stores', () => {
  for (const [kind, start] of Object.entries(servers)) {
    const isMissing = kind === 'etcd' && inject('etcdEndpoint') === '';
    it.skipIf(isMissing)(
      `are judged as simulated ones are: a lock that clients contend for [${kind}]`,
      async () => {
        const { history, grants, line } = await contend(await start());
        const counts = checkMutex({ history, grants, line, resource: 'resource', drained: true });
        expect(counts.grants).toBe(processes * rounds);
        expect(counts.waited).toBeGreaterThan(0);
        expect(counts.writes).toBeGreaterThan(processes * rounds - 10);
        const [first, ...others] = grants;
        const stolen = others.map((grant) => ({ ...grant, token: first?.token ?? 0 }));
        expect(() => checkMutex({ history, grants: stolen, line })).toThrow(/^LOCK-/);
      },
    );
  }
});
