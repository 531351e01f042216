import { afterAll, beforeAll, describe, inject } from 'vitest';
import type { Store } from '../../src/store/index.js';
import { findEtcd, startEtcd } from './etcd-process.js';

/** One server that tests connect to; every `connect` is as another process would. */
export interface TestServer {
  connect(): Promise<Store>;
  close(): Promise<void>;
}

export type StoreKind =
  | 'memory'
  | 'embedded'
  | 'etcd'
  | 'etcd over grpc-js'
  | 'etcd of its own'
  | 'etcd of its own over grpc-js'
  | 'simulated';

async function start(kind: StoreKind): Promise<TestServer> {
  if (kind === 'memory') {
    const { MemoryServer } = await import('../../src/memory/index.js');
    const server = new MemoryServer();
    return { connect: async () => server.connect(), close: () => server.close() };
  }
  if (kind === 'simulated') return startSimulated();
  const { openEtcd3Store } = await import('../../src/etcd3/index.js');
  if (kind === 'embedded') {
    const { startEmbedded } = await import('../../src/embedded/index.js');
    const server = await startEmbedded({ port: 0 });
    return { connect: () => openEtcd3Store({ hosts: server.endpoint }), close: () => server.close() };
  }
  const transport = kind.endsWith('over grpc-js') ? 'grpc-js' : 'http2';
  const own = kind.includes('of its own') ? await startEtcd(findEtcd()) : undefined;
  const hosts = own?.endpoint ?? inject('etcdEndpoint');
  return { connect: () => openEtcd3Store({ hosts, transport }), close: async () => own?.stop() };
}

/** A simulated cluster whose virtual time keeps up with real time, for suites that wait as people do. */
async function startSimulated(): Promise<TestServer> {
  const { Simulation } = await import('../../src/simulator/index.js');
  const simulation = new Simulation({ seed: 1 });
  const startMs = performance.now();
  let closed = false;
  const running = (async () => {
    while (!closed) {
      await simulation.run(performance.now() - startMs - simulation.nowMs);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  })();
  return {
    connect: async () => simulation.connect(),
    close: async () => {
      closed = true;
      await running;
    },
  };
}

/**
 * Runs the same suite over the engine in memory, the embedded server and a real etcd. Stores opened through
 * `server.connect()` are closed by the suite's end. On the shared real etcd, suites keep apart by names: use
 * `uniqueName()`; what they cannot keep apart, as revisions that nobody else makes and compaction, which is of
 * everything, belongs to a server of its own.
 */
export function describeStores(
  title: string,
  suite: (server: TestServer, kind: StoreKind) => void,
  kinds: readonly StoreKind[] = ['memory', 'embedded', 'etcd'],
): void {
  for (const kind of kinds) {
    describe.skipIf(kind.startsWith('etcd') && inject('etcdEndpoint') === '')(`${title} [${kind}]`, () => {
      let started: TestServer | undefined;
      const opened: Store[] = [];
      beforeAll(async () => {
        started = await start(kind);
      });
      afterAll(async () => {
        await Promise.all(opened.map((store) => store.close()));
        await started?.close();
      });
      const server: TestServer = {
        async connect() {
          if (started === undefined) throw new Error('connect() belongs inside a test or a hook');
          const store = await started.connect();
          opened.push(store);
          return store;
        },
        close: async () => {},
      };
      suite(server, kind);
    });
  }
}

let counter = 0;

/** A name that no other test of this or an earlier run uses. */
export function uniqueName(label = 'test'): string {
  counter += 1;
  return `${label}-${process.pid}-${Date.now().toString(36)}-${counter}`;
}
