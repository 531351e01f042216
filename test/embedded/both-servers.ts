import { afterAll, beforeAll, describe, inject } from 'vitest';
import { startEmbedded } from '../../src/embedded/index.js';
import { startEtcd } from '../support/etcd-process.js';
import { connectRaw, type RawClient } from './raw-client.js';

export interface RawServer {
  readonly endpoint: string;
  readonly client: RawClient;
}

export type ServerKind = 'embedded' | 'etcd';

/** A server of its own, so that a suite may compact and count revisions. */
export async function startServer(kind: ServerKind): Promise<{ endpoint: string; stop(): Promise<void> }> {
  if (kind === 'etcd') return startEtcd(process.env.QUORATE_ETCD ?? 'etcd');
  const server = await startEmbedded();
  return { endpoint: server.endpoint, stop: () => server.close() };
}

/**
 * The same expectations of the embedded server and of a real etcd: what is asserted is then etcd's behaviour and
 * not our idea of it.
 */
export function describeBoth(
  title: string,
  suite: (server: () => RawServer, kind: ServerKind) => void,
): void {
  for (const kind of ['embedded', 'etcd'] as const) {
    describe.skipIf(kind === 'etcd' && inject('etcdEndpoint') === '')(`${title} [${kind}]`, () => {
      let server: RawServer | undefined;
      let stop: (() => Promise<void>) | undefined;
      beforeAll(async () => {
        const started = await startServer(kind);
        stop = () => started.stop();
        server = { endpoint: started.endpoint, client: connectRaw(started.endpoint) };
      });
      afterAll(async () => {
        server?.client.close();
        await stop?.();
      });
      suite(() => {
        if (server === undefined) throw new Error('the server belongs inside a test or a hook');
        return server;
      }, kind);
    });
  }
}
