import { Etcd3 } from 'etcd3';
import { invalidArgument, isQuorateError, QuorateError } from '../errors.js';
import type { Store } from '../store/index.js';
import { Connection } from './connection.js';
import { Endpoint, hostsOf } from './endpoint.js';
import { EndpointPool } from './endpoint-pool.js';
import { messageOf } from './grpc-errors.js';
import { checkOptions, type Etcd3StoreOptions, type Settings } from './options.js';
import { Etcd3Store } from './store.js';

/** Pings more often than every 5 s are punished by the server (B13). Catch-up messages may be large (B3). */
const channelOptions = {
  'grpc.keepalive_time_ms': 8_000,
  'grpc.keepalive_timeout_ms': 3_000,
  'grpc.max_receive_message_length': -1,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 2_000,
  'grpc.enable_retries': 0,
  'grpc.service_config_disable_resolution': 1,
} as const;

/**
 * Opens a store over a cluster of etcd 3.4 or later, and checks that it answers.
 *
 * Errors: `invalid-argument`; `unreachable` with the endpoints in `details`, if none answers within
 * `connectTimeoutMs`; `unauthenticated`, if the user is refused. Costs one request, and one more with `auth`.
 */
export async function openEtcd3Store(options: Etcd3StoreOptions): Promise<Store> {
  const settings = checkOptions(options);
  const { runtime, connectTimeoutMs, callTimeoutMs } = settings;
  const clients = settings.etcd3 === undefined ? ownClients(settings) : [];
  const hosts = (settings.etcd3 === undefined ? clients : [settings.etcd3]).flatMap(hostsOf);
  const endpoints = hosts.map(({ host, name }) => new Endpoint(host, name, runtime));
  const pool = new EndpointPool(endpoints, runtime, connectTimeoutMs);
  const auth = settings.auth ?? (settings.etcd3 && authOf(settings.etcd3));
  const connection = new Connection(pool, runtime, { auth, callTimeoutMs });
  const store = new Etcd3Store(connection, callTimeoutMs, () => {
    for (const client of clients) client.close();
  });
  try {
    await store.status({ timeoutMs: connectTimeoutMs });
    return store;
  } catch (error) {
    await store.close();
    throw isQuorateError(error, 'unavailable') || isQuorateError(error, 'timeout')
      ? unreachable(endpoints, error)
      : error;
  }
}

/** One client an endpoint, so that we choose where a call goes and see where it failed. */
function ownClients(settings: Settings): Etcd3[] {
  const clients: Etcd3[] = [];
  try {
    for (const host of settings.hosts) clients.push(ownClient(host, settings));
    return clients;
  } catch (error) {
    for (const client of clients) client.close();
    throw invalidArgument(`a client cannot be made: ${messageOf(error)}`, 'certificates and keys as PEM');
  }
}

function ownClient(host: string, { credentials, grpcOptions }: Settings): Etcd3 {
  return new Etcd3({
    hosts: host,
    grpcOptions: { ...channelOptions, ...grpcOptions },
    ...(credentials === undefined ? {} : { credentials: { ...credentials } }),
  });
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
