import type { Etcd3 } from 'etcd3';
import { invalidArgument, isQuorateError, QuorateError } from '../errors.js';
import type { Store } from '../store/index.js';
import { Connection } from './connection.js';
import { EndpointPool } from './endpoint-pool.js';
import { messageOf } from './grpc-errors.js';
import { checkOptions, type Etcd3StoreOptions, type Settings } from './options.js';
import { withRenewalThread } from './renewal/renewed-store.js';
import { Etcd3Store } from './store.js';
import { clientOf, hostsOf } from './transport/grpc-js-clients.js';
import { GrpcJsEndpoint } from './transport/grpc-js-endpoint.js';
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
  const endpoints = endpointsOf(settings);
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
function endpointsOf(settings: Settings): readonly Endpoint[] {
  const { etcd3, hosts, runtime, transport } = settings;
  const nothing = () => {};
  if (etcd3 !== undefined)
    return hostsOf(etcd3).map(({ host, name }) => new GrpcJsEndpoint(host, name, runtime, nothing));
  const endpoints: Endpoint[] = [];
  try {
    const tls = isEncrypted(settings) ? tlsSettings(settings.credentials) : undefined;
    for (const host of hosts) {
      if (transport === 'http2') endpoints.push(new Http2Endpoint(host, tls, runtime));
      else endpoints.push(...channelsTo(host, settings));
    }
    return endpoints;
  } catch (error) {
    for (const endpoint of endpoints) endpoint.close();
    throw invalidArgument(`a client cannot be made: ${messageOf(error)}`, 'certificates and keys as PEM');
  }
}

/** With certificates, or for URLs that say so; they do so all or none. */
function isEncrypted({ credentials, hosts }: Settings): boolean {
  return credentials !== undefined || hosts.some((host) => host.startsWith('https://'));
}

function channelsTo(host: string, settings: Settings): readonly Endpoint[] {
  const client = clientOf(host, settings);
  const close = () => client.close();
  return hostsOf(client).map(({ host: raw, name }) => new GrpcJsEndpoint(raw, name, settings.runtime, close));
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
