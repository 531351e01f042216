/** What is measured: Quorate's queue and its peers, each on a server and at settings that suit it best. */
import { goPeer, whyNoGo } from '../peers/go.js';
import { hasRedisWith, javaPeer, nodeProgram, whyNoCurator } from '../peers/installed.js';
import { etcdServer, redisServer, type Server, zookeeperServer } from '../servers.js';
import type { Bulk } from './participant-loop.js';
import { bullmqBulk, consumerConcurrency, quorateBulk } from './settings.js';

export type ContestantName =
  | 'quorate'
  | 'BullMQ, everysec'
  | 'BullMQ, always'
  | 'etcd Go recipe Queue'
  | 'Curator SimpleDistributedQueue';

export interface Contestant {
  readonly name: ContestantName;
  readonly settings: string;
  /** How a participant is started, before the arguments that participant-loop.ts names. */
  readonly command: readonly string[];
  readonly start: () => Promise<Server>;
  /** Its consumers look at the whole queue for each job: it gets fewer jobs and less time. */
  readonly isSlow: boolean;
}

export interface Field {
  readonly contestants: readonly Contestant[];
  readonly leftOut: readonly string[];
}

const inBulk = ({ size, callsAtOnce }: Bulk) => `of ${size}, ${callsAtOnce} at a time`;

export const quorate: Contestant = {
  name: 'quorate',
  settings: `concurrency ${consumerConcurrency}, prefetch as it comes; enqueueMany ${inBulk(quorateBulk)}; fsync before each answer`,
  command: nodeProgram('./quorate.ts', import.meta.url),
  start: etcdServer,
  isSlow: false,
};

/** All that can be run here. */
export function field(): Field {
  const leftOut: string[] = [];
  const found = (peers: readonly Contestant[], reason: string): readonly Contestant[] => {
    if (peers.length === 0) leftOut.push(reason);
    return peers;
  };
  return {
    contestants: [
      quorate,
      ...found(bullmqContestants(), whyNoBullMq),
      ...found(goContestants(), whyNoGo),
      ...found(curatorContestants(), whyNoCurator),
    ],
    leftOut,
  };
}

const whyNoBullMq =
  'BullMQ on Redis (npm ci --prefix bench/peers/node; Debian: apt-get install redis-server)';

function bullmqContestants(): Contestant[] {
  if (!hasRedisWith(['bullmq', 'ioredis'])) return [];
  return (['everysec', 'always'] as const).map((appendfsync) => ({
    name: `BullMQ, ${appendfsync}` as const,
    settings:
      `concurrency ${consumerConcurrency}, removeOnComplete; addBulk ${inBulk(bullmqBulk)}; ` +
      `no consensus; one Redis, appendonly, appendfsync ${appendfsync}`,
    command: nodeProgram('../peers/node/bullmq.ts', import.meta.url),
    start: () => redisServer(appendfsync),
    isSlow: false,
  }));
}

function goContestants(): Contestant[] {
  const binary = goPeer('queue');
  if (binary === undefined) return [];
  return [
    {
      name: 'etcd Go recipe Queue',
      settings:
        'contrib/recipes of etcd 3.4, one client a consumer; puts from 100 goroutines, as it has no bulk; takes by deleting, so ' +
        'without acknowledgement; fsync before each answer',
      command: [binary],
      start: etcdServer,
      isSlow: true,
    },
  ];
}

function curatorContestants(): Contestant[] {
  const java = javaPeer();
  if (java === undefined) return [];
  // As for the locks; and ZooKeeper's client refuses an answer with the names of 100,000 jobs otherwise.
  const flags = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Djute.maxbuffer=16777216'];
  return [
    {
      name: 'Curator SimpleDistributedQueue',
      settings:
        'Curator 5.4 on ZooKeeper 3.8, forceSync on; serial collector, first compiler only, jute.maxbuffer 16 MiB; puts from 100 ' +
        'threads, as it has no bulk; takes by deleting, so without acknowledgement',
      command: java('QueueParticipant', flags),
      start: zookeeperServer,
      isSlow: true,
    },
  ];
}
