import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import { openEtcd3Store } from '../../src/etcd3/index.js';
import { Client } from '../../src/session/index.js';
import { put, txnOf } from '../../src/store/index.js';
import { WatchReader } from '../support/watch-reader.js';
import { makeCertificates } from './certificates.js';
import { OwnEtcd } from './own-etcd.js';
import { transports } from './transports.js';

describe.skipIf(inject('etcdEndpoint') === '').each(transports)('etcd over TLS, over %s', (transport) => {
  let folder: string;
  let etcd: OwnEtcd;
  const pem = (name: string) => readFile(join(folder, name));

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'quorate-tls-'));
    await makeCertificates(folder);
    etcd = await OwnEtcd.start({
      scheme: 'https',
      extraArguments: [
        ...['--cert-file', join(folder, 'server.pem'), '--key-file', join(folder, 'server.key')],
        ...['--trusted-ca-file', join(folder, 'ca.pem'), '--client-cert-auth'],
      ],
    });
  });
  afterAll(async () => {
    await etcd?.remove();
    await rm(folder, { recursive: true, force: true });
  });

  it.each(['', 'https://'])(
    'serves calls, watches and leases with certificates of both sides (%s)',
    async (scheme) => {
      const store = await openEtcd3Store({
        transport,
        hosts: `${scheme}${etcd.endpoint}`,
        credentials: {
          rootCertificate: await pem('ca.pem'),
          privateKey: await pem('client.key'),
          certChain: await pem('client.pem'),
        },
      });
      const reader = new WatchReader(store.watch({ key: 'k' }));
      await reader.wait('opened');
      await store.txn(txnOf({ success: [put('k', 'secret')] }));
      await reader.waitEvents(1);
      expect(await store.leaseKeepAlive('404')).toBe(0);
      await store.close();
    },
  );

  it.each([
    ['trusting another authority', async () => ({ rootCertificate: await pem('stranger.pem') })],
    ['with no certificate of its own', async () => ({ rootCertificate: await pem('ca.pem') })],
  ])('is unreachable %s', async (_, credentials) => {
    const opening = openEtcd3Store({
      transport,
      hosts: etcd.endpoint,
      credentials: await credentials(),
      connectTimeoutMs: 2_000,
    });
    await expect(opening).rejects.toMatchObject({
      code: 'unreachable',
      details: { endpoints: [etcd.endpoint] },
    });
  });

  it('a thread renews leases with the same certificates', async () => {
    const store = await openEtcd3Store({
      ...{ transport, hosts: etcd.endpoint, renewal: 'worker' },
      credentials: {
        rootCertificate: await pem('ca.pem'),
        privateKey: await pem('client.key'),
        certChain: await pem('client.pem'),
      },
    });
    const client = await Client.open({ store, ttlMs: 2_000, closeStore: true, stallWarningMs: 0 });
    onTestFinished(() => client.close());
    const session = await client.session();
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2_500);
    expect(session.isLive()).toBe(true);
  });

  it('takes the name that the certificate is to bear, where it is not the host’s', async () => {
    const named = await OwnEtcd.start({
      scheme: 'https',
      extraArguments: [
        ...['--cert-file', join(folder, 'elsewhere.pem'), '--key-file', join(folder, 'elsewhere.key')],
      ],
    });
    try {
      const open = async (more: { serverName?: string }) =>
        openEtcd3Store({
          transport,
          hosts: named.endpoint,
          credentials: { rootCertificate: await pem('ca.pem'), ...more },
          connectTimeoutMs: 2_000,
        });
      await expect(open({})).rejects.toMatchObject({ code: 'unreachable' });
      await expect(open({ serverName: 'other.example' })).rejects.toMatchObject({ code: 'unreachable' });
      const store = await open({ serverName: 'etcd.example' });
      await store.txn(txnOf({ success: [put('k', 'secret')] }));
      await store.close();
    } finally {
      await named.remove();
    }
  });

  it('serves more calls at a time than the server allows on a connection', async () => {
    const store = await openEtcd3Store({
      transport,
      hosts: etcd.endpoint,
      credentials: {
        rootCertificate: await pem('ca.pem'),
        privateKey: await pem('client.key'),
        certChain: await pem('client.pem'),
      },
      callTimeoutMs: 20_000,
    });
    const writes = Array.from({ length: 1_000 }, (_, index) =>
      store.txn(txnOf({ success: [put(`many/${index}`, 'x')] })),
    );
    const revisions = (await Promise.all(writes)).map(({ revision }) => revision);
    expect(new Set(revisions).size).toBe(1_000);
    await store.close();
  });

  it('is unreachable without TLS, and with TLS where there is none', async () => {
    const [plain, rootCertificate] = [inject('etcdEndpoint'), await pem('ca.pem')];
    await expect(
      openEtcd3Store({ transport, hosts: etcd.endpoint, connectTimeoutMs: 2_000 }),
    ).rejects.toMatchObject({
      code: 'unreachable',
    });
    await expect(
      openEtcd3Store({ transport, hosts: plain, credentials: { rootCertificate }, connectTimeoutMs: 2_000 }),
    ).rejects.toMatchObject({ code: 'unreachable' });
  });
});
