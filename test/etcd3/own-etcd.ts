import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePort } from '../support/etcd-process.js';

export interface OwnEtcdOptions {
  name?: string;
  scheme?: 'http' | 'https';
  extraArguments?: readonly string[];
  /** Peer URL by member name; default: a cluster of one. */
  cluster?: Readonly<Record<string, string>>;
  peerPort?: number;
}

/** Every thread of the process is stopped; true too where the system does not tell. */
function standsStill(pid: number): boolean {
  try {
    const tasks = `/proc/${pid}/task`;
    return readdirSync(tasks).every((task) => / [TtXZ] /.test(readFileSync(`${tasks}/${task}/stat`, 'utf8')));
  } catch {
    return true;
  }
}

/** An etcd that a test owns: it can be killed, paused and started again on the same data and port. */
export class OwnEtcd {
  readonly endpoint: string;
  readonly #folder: string;
  readonly #healthPort: number;
  readonly #arguments: readonly string[];
  #child: ChildProcess | undefined;

  private constructor(folder: string, clientPort: number, healthPort: number, args: readonly string[]) {
    this.endpoint = `127.0.0.1:${clientPort}`;
    this.#folder = folder;
    this.#healthPort = healthPort;
    this.#arguments = args;
  }

  static async create(options: OwnEtcdOptions = {}): Promise<OwnEtcd> {
    const { name = 'own', scheme = 'http', extraArguments = [] } = options;
    const folder = await mkdtemp(join(tmpdir(), 'quorate-own-etcd-'));
    const [clientPort, healthPort, freePeerPort] = [await freePort(), await freePort(), await freePort()];
    const clientUrl = `${scheme}://127.0.0.1:${clientPort}`;
    const peerUrl = `http://127.0.0.1:${options.peerPort ?? freePeerPort}`;
    const members = Object.entries(options.cluster ?? { [name]: peerUrl });
    return new OwnEtcd(folder, clientPort, healthPort, [
      ...['--name', name, '--data-dir', folder, '--log-level', 'error', '--logger', 'zap'],
      ...['--listen-client-urls', clientUrl, '--advertise-client-urls', clientUrl],
      ...['--listen-peer-urls', peerUrl, '--initial-advertise-peer-urls', peerUrl],
      ...['--initial-cluster', members.map(([member, url]) => `${member}=${url}`).join(',')],
      ...['--listen-metrics-urls', `http://127.0.0.1:${healthPort}`],
      ...extraArguments,
    ]);
  }

  static async start(options: OwnEtcdOptions = {}): Promise<OwnEtcd> {
    const etcd = await OwnEtcd.create(options);
    await etcd.start();
    return etcd;
  }

  async start(): Promise<void> {
    this.spawn();
    await this.healthy();
  }

  spawn(): void {
    this.#child = spawn(process.env.QUORATE_ETCD ?? 'etcd', this.#arguments, { stdio: 'ignore' });
  }

  async healthy(): Promise<void> {
    for (let attempt = 0; attempt < 300; attempt += 1) {
      const healthy = await fetch(`http://127.0.0.1:${this.#healthPort}/health`).then(
        async (response) => (await response.text()).includes('true'),
        () => false,
      );
      if (healthy) return;
      await delay(50);
    }
    await this.kill();
    throw new Error('etcd did not become healthy');
  }

  /** Returns when it stands still: the signal alone leaves its threads some time to answer. */
  pause(): void {
    this.#child?.kill('SIGSTOP');
    const { pid } = this.#child ?? {};
    while (pid !== undefined && !standsStill(pid));
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  /** Ends the process and removes its data. */
  async remove(): Promise<void> {
    await this.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async metrics(): Promise<string> {
    return (await fetch(`http://127.0.0.1:${this.#healthPort}/metrics`)).text();
  }

  /** Runs etcdctl against it. */
  async ctl(...args: string[]): Promise<string> {
    const env = { ...process.env, ETCDCTL_API: '3' };
    const all = ['--endpoints', this.endpoint, ...args];
    return (await promisify(execFile)('etcdctl', all, { env })).stdout;
  }
}
