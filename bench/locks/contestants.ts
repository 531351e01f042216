/** What is measured: Quorate's lock and its peers, each on a server and at settings that suit it best. */
import { goPeer, whyNoGo } from '../peers/go.js';
import { hasRedisWith, javaPeer, nodeProgram, whyNoCurator } from '../peers/installed.js';
import { etcdServer, redisServer, type Server, zookeeperServer } from '../servers.js';

export type ContestantName =
  | 'quorate'
  | 'bare puts'
  | 'its transactions by hand'
  | 'etcd Go Mutex'
  | 'npm etcd3 Lock'
  | 'Curator InterProcessMutex'
  | 'redlock, everysec'
  | 'redlock, always'
  | 'redis-semaphore, everysec'
  | 'redis-semaphore, always';

export interface Contestant {
  readonly name: ContestantName;
  readonly settings: string;
  /** How a contender process is started, before the arguments that loop.ts names. */
  readonly command: readonly string[];
  /** The same for the process that writes beside it. */
  readonly writer: readonly string[];
  readonly start: () => Promise<Server>;
  /** How many times the usual warm-up it gets, if so many processes contend. */
  readonly warmUps: (processes: number) => number;
  /** Or else what a lock can come to at the most. */
  readonly isLock: boolean;
  /** Without consensus a lock survives no failure of its server; shown for scale, without a goal. */
  readonly hasConsensus: boolean;
}

export interface Field {
  readonly contestants: readonly Contestant[];
  readonly leftOut: readonly string[];
}

/** A program of this folder, run by Node. */
export const script = (path: string) => nodeProgram(path, import.meta.url);

/**
 * Node compiles a function for good once a process has run it some thousands of times, and each of ten processes has a tenth of the turns.
 * Until then the compiler's threads take up to half of the processor time: measured between ten, 0.93 ms a hand-over after 15 s, 0.55 after 45.
 */
const asNodeCompiles = (processes: number) => 10 * Math.max(1, processes / 4);
const compiled = `ten times the warm-up, and more where many share the turns: Node compiles as it runs`;

const etcdWriter = script('./writer.ts');
const onEtcd = {
  writer: etcdWriter,
  start: etcdServer,
  warmUps: () => 1,
  isLock: true,
  hasConsensus: true,
} as const;

export const quorate: Contestant = {
  name: 'quorate',
  settings: `Mutex as it comes; one Client a contender; ${compiled}`,
  command: script('./contender.ts'),
  ...onEtcd,
  warmUps: asNodeCompiles,
};

/** What this machine gives at the most through our connection. */
const barePuts: Contestant = {
  name: 'bare puts',
  settings: `no lock: a ring that passes a token on, two puts and one event a hand-over; ${compiled}`,
  command: script('./bare-ring.ts'),
  ...onEtcd,
  isLock: false,
  warmUps: asNodeCompiles,
};

/** What its protocol gives at the most on Node. */
const byHand: Contestant = {
  name: 'its transactions by hand',
  settings: `no lock: the same ring, with the transactions of our mutex in a crowd; ${compiled}`,
  command: script('./ring-by-hand.ts'),
  ...onEtcd,
  isLock: false,
  warmUps: asNodeCompiles,
};

/** All that can be run here. */
export function field(): Field {
  const leftOut: string[] = [];
  const found = <T>(peer: T | undefined, reason: string): T[] => {
    if (peer !== undefined) return [peer];
    leftOut.push(reason);
    return [];
  };
  return {
    contestants: [
      quorate,
      barePuts,
      byHand,
      ...found(goContestant(), whyNoGo),
      etcd3Contestant,
      ...found(curatorContestant(), whyNoCurator),
      ...found(redisContestants(), whyNoRedis).flat(),
    ],
    leftOut,
  };
}

function goContestant(): Contestant | undefined {
  const binary = goPeer('mutex');
  if (binary === undefined) return undefined;
  const settings = 'clientv3 3.4, one client and session a contender';
  return { name: 'etcd Go Mutex', settings, command: [binary], ...onEtcd };
}

const etcd3Contestant: Contestant = {
  name: 'npm etcd3 Lock',
  settings: 'does not wait: asked again after 5 ms',
  command: script('../peers/node/etcd3.ts'),
  ...onEtcd,
};

function curatorContestant(): Contestant | undefined {
  const java = javaPeer();
  if (java === undefined) return undefined;
  // What suits many virtual machines on few cores: with the other collectors and the slower compiler ten of them do not come
  // to work for the first ten seconds, and use as much processor time afterwards.
  const flags = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'];
  return {
    name: 'Curator InterProcessMutex',
    settings:
      'Curator 5.4 on ZooKeeper 3.8, forceSync on; serial collector, first compiler only; ten times the warm-up',
    command: java('Contender', flags),
    writer: java('Writer', flags),
    start: zookeeperServer,
    warmUps: () => 10,
    isLock: true,
    hasConsensus: true,
  };
}

const whyNoRedis =
  'redlock and redis-semaphore on Redis (npm ci --prefix bench/peers/node; Debian: apt-get install redis-server)';

function redisContestants(): Contestant[] | undefined {
  if (!hasRedisWith(['ioredis', 'redlock', 'redis-semaphore'])) return undefined;
  const writer = script('../peers/node/redis-writer.ts');
  return (['redlock', 'redis-semaphore'] as const).flatMap((name) =>
    (['everysec', 'always'] as const).map((appendfsync) => ({
      name: `${name}, ${appendfsync}` as const,
      settings: `no consensus; one Redis, appendonly, appendfsync ${appendfsync}; asked again after 5 ms`,
      command: script(`../peers/node/${name}.ts`),
      writer,
      start: () => redisServer(appendfsync),
      warmUps: () => 1,
      isLock: true,
      hasConsensus: false,
    })),
  );
}
