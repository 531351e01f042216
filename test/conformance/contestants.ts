/**
 * The three that have to agree: the engine in memory, the embedded server and a real etcd, the last two through the
 * same adapter. Each starts empty, so all make the same revisions.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { startEmbedded } from '../../src/embedded/index.js';
import { QuorateError } from '../../src/errors.js';
import { openEtcd3Store } from '../../src/etcd3/index.js';
import { MemoryServer } from '../../src/memory/index.js';
import type { Store, Watch, WatchRequest } from '../../src/store/index.js';
import { connectRaw, type RawClient } from '../embedded/raw-client.js';
import { startEtcd } from '../support/etcd-process.js';
import { watchEngine, watchRaw } from './server-watch.js';

export interface Contestant {
  readonly name: 'engine' | 'embedded' | 'etcd';
  readonly store: Store;
  /** A watch of the server itself, past the store's own care. */
  watch(request: WatchRequest): Watch;
  /** HashKV as of a revision; 0: now. Refuses as the store would. */
  hash(revision: number): Promise<number>;
  /** The ids of all leases, sorted. */
  leases(): Promise<readonly string[]>;
  /**
   * Waits until what the server does behind its replies is done: so many compactions, and reading history for watches.
   */
  settled(compactions: number): Promise<void>;
  close(): Promise<void>;
}

export interface Trio {
  /** For what the generator has to know. */
  readonly engine: MemoryServer['engine'];
  readonly contestants: readonly [engine: Contestant, embedded: Contestant, etcd: Contestant];
  /** The version that the real etcd says it is. */
  readonly etcdVersion: string;
  close(): Promise<void>;
}

export async function startTrio(etcdBinary: string): Promise<Trio> {
  const server = new MemoryServer();
  const started = await Promise.allSettled([embedded(), realEtcd(etcdBinary)]);
  const [ours, theirs] = started.map((result) => (result.status === 'fulfilled' ? result.value : undefined));
  const close = async () => {
    await Promise.all([inMemory.close(), ours?.close(), theirs?.close()]);
  };
  const inMemory = memory(server);
  if (ours === undefined || theirs === undefined) {
    await close();
    throw started.find((result) => result.status === 'rejected')?.reason;
  }
  const { version: etcdVersion } = await theirs.store.status();
  return { engine: server.engine, contestants: [inMemory, ours, theirs], etcdVersion, close };
}

function memory(server: MemoryServer): Contestant {
  return {
    name: 'engine',
    store: server.connect(),
    watch: (request) => watchEngine(server.engine, request),
    hash: async (revision) => server.engine.hash(revision),
    leases: async () => [...server.engine.leases()].sort(),
    settled: async () => {},
    close: () => server.close(),
  };
}

async function embedded(): Promise<Contestant> {
  const server = await startEmbedded({ port: 0 });
  const store = await openEtcd3Store({ hosts: server.endpoint });
  const raw = connectRaw(server.endpoint);
  return {
    name: 'embedded',
    store,
    watch: (request) => watchRaw(raw, request),
    ...maintenance(raw),
    settled: async () => {},
    close: async () => {
      raw.close();
      await store.close();
      await server.close();
    },
  };
}

async function realEtcd(binary: string): Promise<Contestant> {
  const server = await startedEtcd(binary);
  const store = await openEtcd3Store({ hosts: server.endpoint });
  const raw = connectRaw(server.endpoint);
  return {
    name: 'etcd',
    store,
    watch: (request) => watchRaw(raw, request),
    ...maintenance(raw),
    settled: (compactions) => etcdSettled(server.endpoint, raw, compactions),
    close: async () => {
      raw.close();
      await store.close();
      await server.stop();
    },
  };
}

/** A port that was free may be taken by the time that etcd wants it. */
async function startedEtcd(binary: string): ReturnType<typeof startEtcd> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startEtcd(binary, ['--unsafe-no-fsync']);
    } catch (error) {
      if (attempt === 3) throw error;
    }
  }
}

function maintenance(raw: RawClient): Pick<Contestant, 'hash' | 'leases'> {
  return {
    async hash(revision) {
      try {
        const { hash } = await raw.call('Maintenance', 'HashKV', { revision });
        return Number(hash);
      } catch (error) {
        const text = error instanceof Error ? error.message : String(error);
        if (text.includes('compacted')) throw new QuorateError('compacted', text);
        if (text.includes('future revision')) throw new QuorateError('future-revision', text);
        throw error;
      }
    },
    async leases() {
      const { leases } = (await raw.call('Lease', 'LeaseLeases', {})) as unknown as {
        leases: readonly { readonly ID: string }[];
      };
      return leases.map(({ ID }) => ID).sort();
    },
  };
}

/** etcd compacts, and reads history for watches, after it has answered; its own gauges say when it is done. */
async function etcdSettled(endpoint: string, raw: RawClient, compactions: number): Promise<void> {
  for (let look = 0; look < 1_000; look += 1) {
    const text = await (await fetch(`http://${endpoint}/metrics`)).text();
    const gauge = (name: string) =>
      Number(text.match(new RegExp(`^${name} (\\S+)$`, 'm'))?.[1] ?? Number.NaN);
    const compacted = gauge('etcd_debugging_mvcc_db_compaction_total_duration_milliseconds_count');
    if (compacted >= compactions && gauge('etcd_debugging_mvcc_slow_watcher_total') === 0) {
      // Deletions of a compaction are seen by readers of history once they are committed, which this call does.
      await raw.call('Maintenance', 'Hash', {});
      return;
    }
    await delay(10);
  }
  throw new Error('etcd did not come to rest within ten seconds');
}
