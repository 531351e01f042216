/** The servers that the benchmarks stand on, each started for one measure on loopback with data of its own, ended by its process. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort, startEtcd } from '../test/support/etcd-process.js';
import { processorMs } from './processor-time.js';

export interface Server {
  /** `host:port`. */
  readonly endpoint: string;
  /** What it has received and sent so far, where it tells. */
  traffic?(): Promise<Traffic>;
  /** Milliseconds of processor time that it has used so far. */
  processorMs(): Promise<number>;
  stop(): Promise<void>;
}

export interface Traffic {
  /** Requests received: opening of streams, and keep-alives of leases, left out. */
  readonly requests: number;
  /** Messages received on watches: to open and close them, and to ask whether they live. */
  readonly watchRequests: number;
  /** Messages sent on watches. */
  readonly watchMessages: number;
  /** What its log has grown by: each is written to disk and sent to every member. */
  readonly raftEntries: number;
}

/** A real etcd with its usual settings: every commit is on disk (fsync) before it is answered. */
export async function etcdServer(): Promise<Server> {
  const { endpoint, child, stop } = await startEtcd(process.env.QUORATE_ETCD ?? 'etcd');
  const traffic = () => etcdTraffic(endpoint);
  return { endpoint, stop, traffic, processorMs: () => processorMs(child.pid) };
}

const unary = /^grpc_server_handled_total\{.*grpc_type="unary"\} (\S+)$/;
const received = /^grpc_server_msg_received_total\{grpc_method="Watch".*\} (\S+)$/;
const committed = /^etcd_server_proposals_committed_total (\S+)$/;
const sent = /^grpc_server_msg_sent_total\{grpc_method="Watch".*\} (\S+)$/;

async function etcdTraffic(endpoint: string): Promise<Traffic> {
  const metrics = await (await fetch(`http://${endpoint}/metrics`)).text();
  const sum = (...patterns: readonly RegExp[]) =>
    metrics
      .split('\n')
      .flatMap((line) => patterns.map((pattern) => Number(pattern.exec(line)?.[1] ?? 0)))
      .reduce((total, value) => total + value, 0);
  return {
    requests: sum(unary),
    watchRequests: sum(received),
    watchMessages: sum(sent),
    raftEntries: sum(committed),
  };
}

/** Debian's jar names what else it needs in its manifest; the logger that says nothing is not among it. */
export const javaClassPath = (...jars: readonly string[]) =>
  [...jars, 'slf4j-nop'].map((jar) => `/usr/share/java/${jar}.jar`).join(':');

/** ZooKeeper with its usual settings: `forceSync` is on, so every commit is on disk before it is answered. */
export async function zookeeperServer(): Promise<Server> {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-zookeeper-'));
  const port = await freePort();
  const settings = [
    ...['tickTime=2000', `dataDir=${folder}`, `clientPort=${port}`, 'clientPortAddress=127.0.0.1'],
    ...['admin.enableServer=false', 'maxClientCnxns=0'],
  ];
  const file = join(folder, 'zoo.cfg');
  await writeFile(file, `${settings.join('\n')}\n`);
  const main = 'org.apache.zookeeper.server.quorum.QuorumPeerMain';
  const child = spawn('java', ['-cp', javaClassPath('zookeeper'), main, file], { stdio: 'ignore' });
  return started(child, folder, port);
}

/** Redis with its append-only file: written to disk once a second, or before each answer. */
export async function redisServer(appendfsync: 'everysec' | 'always'): Promise<Server> {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-redis-'));
  const port = await freePort();
  const child = spawn(
    'redis-server',
    [
      ...['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', ''],
      ...['--appendonly', 'yes', '--appendfsync', appendfsync],
    ],
    { stdio: 'ignore' },
  );
  return started(child, folder, port);
}

/** Waits until the port answers. */
async function started(child: ChildProcess, folder: string, port: number): Promise<Server> {
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await rm(folder, { recursive: true, force: true });
  };
  for (let attempt = 0; attempt < 600 && child.exitCode === null; attempt += 1) {
    if (await answers(port)) {
      return { endpoint: `127.0.0.1:${port}`, stop, processorMs: () => processorMs(child.pid) };
    }
    await delay(50);
  }
  await stop();
  throw new Error(`${child.spawnfile} did not start`);
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
