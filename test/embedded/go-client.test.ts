import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { type ServerKind, startServer } from './both-servers.js';

const run = promisify(execFile);
const goPath = process.env.QUORATE_GOPATH ?? '/usr/share/gocode';
const present =
  existsSync(join(goPath, 'src/go.etcd.io/etcd/clientv3')) &&
  (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, 'go')));
if (!present) {
  process.stderr.write(
    "\n*** NO GO OR NO SOURCES OF ETCD'S GO CLIENT FOUND: its tests against the embedded server are LEFT OUT. ***\n" +
      '*** Debian: apt-get install golang-go golang-etcd-server-dev; or set QUORATE_GOPATH. ***\n\n',
  );
}

const checks = [
  ...['kv', 'watch', 'compaction', 'lease', 'cluster'],
  ...['mutex', 'lost-session', 'election', 'stm'],
  ...['leasing', 'mirror', 'namespace-ordering', 'queues', 'barriers', 'rwmutex'],
];

describe.skipIf(!present)("etcd's Go client and the packages on top of it", () => {
  let folder = '';
  let binary = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'quorate-go-'));
    binary = join(folder, 'client');
    const cache = { GOCACHE: process.env.GOCACHE ?? join(tmpdir(), 'quorate-go-cache') };
    await run('go', ['build', '-o', binary, '.'], {
      cwd: join(import.meta.dirname, '../peers/go-client'),
      env: { ...process.env, ...cache, GO111MODULE: 'off', GOPATH: goPath, GOFLAGS: '' },
    });
  }, 300_000);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it.each<ServerKind>(inject('etcdEndpoint') === '' ? ['embedded'] : ['embedded', 'etcd'])(
    'work with %s',
    async (kind) => {
      const server = await startServer(kind);
      try {
        const { stdout } = await run(binary, [server.endpoint], { timeout: 120_000 }).catch(
          (failed: { stdout: string }) => failed,
        );
        expect(stdout.trim().split('\n')).toEqual([...checks].sort().map((name) => `ok ${name}`));
      } finally {
        await server.stop();
      }
    },
    150_000,
  );
});
