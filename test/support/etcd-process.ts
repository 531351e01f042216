import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

export interface EtcdProcess {
  readonly endpoint: string;
  readonly child: ChildProcess;
  /** Ends the process and removes its data. */
  stop(): Promise<void>;
}

/** The etcd of `QUORATE_ETCD`, else the first one of `PATH`. */
export function findEtcd(): string | undefined {
  const named = process.env['QUORATE_ETCD'];
  if (named) return named;
  return (process.env['PATH'] ?? '')
    .split(delimiter)
    .map((folder) => join(folder, 'etcd'))
    .find((file) => existsSync(file));
}

/** A TCP port of loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no TCP address');
  server.close();
  await once(server, 'close');
  return address.port;
}

/** Starts a single-member etcd with its own data folder on free loopback ports. */
export async function startEtcd(
  binary = 'etcd',
  extraArguments: readonly string[] = [],
): Promise<EtcdProcess> {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-etcd-'));
  const [clientPort, peerPort] = [await freePort(), await freePort()];
  const clientUrl = `http://127.0.0.1:${clientPort}`;
  const peerUrl = `http://127.0.0.1:${peerPort}`;
  const child = spawn(
    binary,
    [
      ...['--name', 'test', '--data-dir', folder, '--log-level', 'error', '--logger', 'zap'],
      ...['--listen-client-urls', clientUrl, '--advertise-client-urls', clientUrl],
      ...['--listen-peer-urls', peerUrl, '--initial-advertise-peer-urls', peerUrl],
      ...['--initial-cluster', `test=${peerUrl}`],
      ...extraArguments,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let complaints = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    complaints = (complaints + chunk.toString()).slice(-4_000);
  });
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await rm(folder, { recursive: true, force: true });
  };
  for (let attempt = 0; attempt < 200; attempt += 1) {
    if (child.exitCode !== null) break;
    const healthy = await fetch(`${clientUrl}/health`).then(
      async (response) => (await response.text()).includes('true'),
      () => false,
    );
    if (healthy) return { endpoint: `127.0.0.1:${clientPort}`, child, stop };
    await delay(50);
  }
  await stop();
  throw new Error(`etcd did not become healthy: ${complaints}`);
}
