import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { Etcd3 } from 'etcd3';
import { afterEach, describe, expect, inject, it } from 'vitest';
import { isQuorateError } from '../../src/errors.js';
import { type Etcd3StoreOptions, openEtcd3Store } from '../../src/etcd3/index.js';
import { freePort } from '../support/etcd-process.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { transports } from './transports.js';

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

/** Runs a script in a process of its own, until that ends by itself. */
async function runs(script: string): Promise<{ code: number; said: string }> {
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const [code] = await once(child, 'close', { signal: AbortSignal.timeout(15_000) });
  return { code, said };
}

describe('options of an etcd store', () => {
  const bad: readonly [string, unknown][] = [
    ['nothing', undefined],
    ['no hosts', {}],
    ['an empty list of hosts', { hosts: [] }],
    ['an empty host', { hosts: '' }],
    ['an empty host among others', { hosts: ['localhost:2379', ''] }],
    ['a host without a port', { hosts: 'localhost' }],
    ['a port of 0', { hosts: 'localhost:0' }],
    ['a port beyond 65535', { hosts: 'localhost:65536' }],
    ['a host with a path', { hosts: 'http://localhost:2379/v3' }],
    ['a host with spaces', { hosts: 'local host:2379' }],
    ['another scheme', { hosts: 'ftp://localhost:2379' }],
    ['a host that is no string', { hosts: [2379] }],
    ['http and https mixed', { hosts: ['http://a:1', 'https://b:1'] }],
    ['credentials with http', { hosts: 'http://a:1', credentials: { rootCertificate: Buffer.from('x') } }],
    ['credentials as text', { hosts: 'a:1', credentials: { rootCertificate: 'x' } }],
    [
      'a certificate that is none',
      {
        hosts: 'a:1',
        credentials: {
          rootCertificate: Buffer.from('x'),
          privateKey: Buffer.from('x'),
          certChain: Buffer.from('x'),
        },
      },
    ],
    [
      'a key without its chain',
      { hosts: 'a:1', credentials: { rootCertificate: Buffer.from('x'), privateKey: Buffer.from('x') } },
    ],
    ['auth without a password', { hosts: 'a:1', auth: { username: 'me' } }],
    ['auth with an empty password', { hosts: 'a:1', auth: { username: 'me', password: '' } }],
    ['auth without a name', { hosts: 'a:1', auth: { password: 'x' } }],
    ['a call timeout of 0', { hosts: 'a:1', callTimeoutMs: 0 }],
    ['a call timeout that is no number', { hosts: 'a:1', callTimeoutMs: Number.NaN }],
    ['an endless connect timeout', { hosts: 'a:1', connectTimeoutMs: Number.POSITIVE_INFINITY }],
    ['an unknown transport', { hosts: 'a:1', transport: 'carrier pigeon' }],
    [
      'options of grpc-js for another transport',
      { hosts: 'a:1', transport: 'http2', grpcOptions: { 'grpc.a': 1 } },
    ],
    [
      'a name of servers that is none',
      { hosts: 'a:1', credentials: { rootCertificate: Buffer.from('x'), serverName: '' } },
    ],
    ['an unknown option', { hosts: 'a:1', timeout: 5 }],
  ];

  it.each(bad)('refuses %s', async (_, options) => {
    await expect(openEtcd3Store(options as Etcd3StoreOptions)).rejects.toMatchObject({
      code: 'invalid-argument',
    });
  });

  it('refuses both a client and hosts', async () => {
    const etcd3 = new Etcd3({ hosts: '127.0.0.1:1' });
    undo.push(() => etcd3.close());
    for (const more of [{ hosts: 'a:1' }, { auth: { username: 'a', password: 'b' } }]) {
      await expect(openEtcd3Store({ etcd3, ...more })).rejects.toMatchObject({ code: 'invalid-argument' });
    }
  });
});

describe.each(transports)('opening an etcd store, over %s', (transport) => {
  it('names the endpoints that refuse', async () => {
    const hosts = [`127.0.0.1:${await freePort()}`, `http://127.0.0.1:${await freePort()}`];
    const error: unknown = await openEtcd3Store({ transport, hosts }).catch((reason: unknown) => reason);
    if (!isQuorateError(error, 'unreachable')) throw error;
    for (const host of hosts) expect(error.message).toContain(host.replace('http://', ''));
    expect(error.message).toContain('ECONNREFUSED');
    expect(error.details).toEqual({ endpoints: hosts.map((host) => host.replace('http://', '')) });
  });

  it('gives up on an endpoint that accepts and says nothing', async () => {
    const proxy = await TcpProxy.start('127.0.0.1:1');
    undo.push(() => proxy.close());
    proxy.blackHole();
    const opening = openEtcd3Store({ transport, hosts: proxy.endpoint, connectTimeoutMs: 400 });
    // However late they are, timers fire in the order in which they fall due.
    const outcome = Promise.race([opening, delay(3_000, 'too late')]);
    await expect(outcome).rejects.toMatchObject({ code: 'unreachable' });
  });

  it('gives up on something that is no etcd', async () => {
    const { createServer } = await import('node:http');
    const server = createServer((_, response) => response.end('hello')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    undo.push(() => server.close());
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no TCP address');
    const opening = openEtcd3Store({
      transport,
      hosts: `127.0.0.1:${address.port}`,
      connectTimeoutMs: 1_000,
    });
    await expect(opening).rejects.toMatchObject({ code: 'unreachable' });
  });
});

describe.skipIf(inject('etcdEndpoint') === '').each(transports)(
  'closing an etcd store, over %s',
  (transport) => {
    const endpoint = inject('etcdEndpoint');

    it('B14 leaves nothing that keeps the process alive', async () => {
      const script = `
      import { openEtcd3Store } from './src/etcd3/index.ts';
      const store = await openEtcd3Store({ transport: '${transport}', hosts: '${endpoint}' });
      const watch = store.watch({ key: 'never written' });
      for await (const item of watch) if (item.type === 'opened') break;
      const other = store.watch({ key: 'never written' })[Symbol.asyncIterator]();
      await other.next();
      await store.leaseKeepAlive('424242');
      await store.close();
      process.stdout.write('closed');
    `;
      const { code, said } = await runs(script);
      expect(said).toBe('closed');
      expect(code).toBe(0);
    });

    it('is not needed for a process to end, once no call and no watch is open', async () => {
      const script = `
      import { openEtcd3Store } from './src/etcd3/index.ts';
      const store = await openEtcd3Store({ transport: '${transport}', hosts: '${endpoint}' });
      await store.range({ key: 'a' });
      process.stdout.write('done');
    `;
      const { code, said } = await runs(script);
      expect(code).toBe(0);
      expect(said).toBe('done');
    });

    it('leaves a client that was handed in open, and says so once its owner closes it', async () => {
      const client = new Etcd3({ hosts: endpoint });
      const store = await openEtcd3Store({ etcd3: client });
      const second = await openEtcd3Store({ etcd3: client });
      await store.close();
      expect((await second.status()).version).toMatch(/^3\./);
      client.close();
      await expect(second.range({ key: 'a' })).rejects.toMatchObject({
        code: 'unavailable',
        outcome: 'not-applied',
      });
      await second.close();
    });
  },
);
