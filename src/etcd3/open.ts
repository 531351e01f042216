import type { Etcd3 } from 'etcd3';
import { isQuorateError, QuorateError } from '../errors.js';
import type { Store } from '../store/index.js';
import { Connection } from './connection.js';
import { EndpointPool } from './endpoint-pool.js';
import { messageOf } from './grpc-errors.js';
import { checkOptions, type Etcd3StoreOptions, type Settings } from './options.js';
import { withRenewalThread } from './renewal/renewed-store.js';
import { Etcd3Store } from './store.js';
import { Http2Endpoint } from './transport/http2/http2-endpoint.js';
import { tlsSettings } from './transport/http2/socket.js';
import type { Endpoint } from './transport/transport.js';

/**
 * Opens a store over a cluster of etcd 3.4 or later, and checks that it answers.
 *
 * Errors: `invalid-argument`; `unreachable` with the endpoints in `details`, if none answers within
 * `connectTimeoutMs`; `unauthenticated`, if the user is refused. Costs one request, and one more with `auth`; with
 * `renewal: 'worker'` a thread, and the same of it.
 */
export async function openEtcd3Store(options: Etcd3StoreOptions): Promise<Store> {
  const settings = checkOptions(options);
  const { runtime, connectTimeoutMs, callTimeoutMs } = settings;
  const endpoints = await endpointsOf(settings);
  const pool = new EndpointPool(endpoints, runtime, connectTimeoutMs);
  const auth = settings.auth ?? (settings.etcd3 && authOf(settings.etcd3));
  const connection = new Connection(pool, runtime, { auth, callTimeoutMs });
  const store = new Etcd3Store(connection, callTimeoutMs, () => {
    for (const endpoint of endpoints) endpoint.close();
  });
  try {
    await store.status({ timeoutMs: connectTimeoutMs });
    return settings.renewal === 'worker' ? await withRenewalThread(store, settings) : store;
  } catch (error) {
    await store.close();
    throw isQuorateError(error, 'unavailable') || isQuorateError(error, 'timeout')
      ? unreachable(endpoints, error)
      : error;
  }
}

/** One connection an endpoint, so that we choose where a call goes and see where it failed. */
async function endpointsOf(settings: Settings): Promise<readonly Endpoint[]> {
  const { hosts, runtime, transport } = settings;
  if (transport === 'grpc-js') {
    // Loaded only where it is wanted: it takes longer than all the rest.
    const { channelsOf } = await import('./transport/grpc-js-clients.js');
    return channelsOf(settings);
  }
  const tls = isEncrypted(settings) ? tlsSettings(settings.credentials) : undefined;
  return hosts.map((host) => new Http2Endpoint(host, tls, runtime));
}

/** With certificates, or for URLs that say so; they do so all or none. */
function isEncrypted({ credentials, hosts }: Settings): boolean {
  return credentials !== undefined || hosts.some((host) => host.startsWith('https://'));
}

function authOf(client: Etcd3): { username: string; password: string } | undefined {
  return (client as unknown as { options?: { auth?: { username: string; password: string } } }).options?.auth;
}

function unreachable(endpoints: readonly Endpoint[], cause: unknown): QuorateError {
  const names = endpoints.map(({ name }) => name);
  return new QuorateError('unreachable', `no etcd answers at ${names.join(', ')}: ${messageOf(cause)}`, {
    cause,
    details: { endpoints: names },
  });
}
