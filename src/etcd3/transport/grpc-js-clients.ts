import type { ChannelOptions } from '@grpc/grpc-js';
import { Etcd3 } from 'etcd3';
import { invalidArgument, QuorateError } from '../../errors.js';
import type { Runtime } from '../../runtime/index.js';
import { GrpcJsEndpoint, type RawHost } from './grpc-js-endpoint.js';
import type { Endpoint } from './transport.js';

export interface ClientSettings {
  readonly credentials:
    | {
        readonly rootCertificate: Buffer;
        readonly privateKey?: Buffer;
        readonly certChain?: Buffer;
        readonly serverName?: string;
      }
    | undefined;
  readonly grpcOptions: ChannelOptions;
}

export interface ChannelSettings extends ClientSettings {
  readonly hosts: readonly string[];
  /** A client that exists already, in place of what is above. */
  readonly etcd3: Etcd3 | undefined;
  readonly runtime: Runtime;
}

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

/** An endpoint for each host of the client, or for each of `hosts` with a client of its own. */
export function channelsOf(settings: ChannelSettings): readonly Endpoint[] {
  const { etcd3, hosts, runtime } = settings;
  if (etcd3 !== undefined) return channelsTo(etcd3, runtime, () => {});
  const endpoints: Endpoint[] = [];
  try {
    for (const host of hosts) {
      const client = clientOf(host, settings);
      endpoints.push(...channelsTo(client, runtime, () => client.close()));
    }
    return endpoints;
  } catch (error) {
    for (const endpoint of endpoints) endpoint.close();
    const why = error instanceof Error ? error.message : String(error);
    throw invalidArgument(`a client cannot be made: ${why}`, 'certificates and keys as PEM');
  }
}

function channelsTo(client: Etcd3, runtime: Runtime, close: () => void): readonly Endpoint[] {
  return hostsOf(client).map(({ host, name }) => new GrpcJsEndpoint(host, name, runtime, close));
}

/** A client of one host, so that we choose where a call goes and see where it failed. */
function clientOf(host: string, { credentials, grpcOptions }: ClientSettings): Etcd3 {
  const { serverName, ...certificates } = credentials ?? {};
  const named =
    serverName === undefined
      ? {}
      : { 'grpc.ssl_target_name_override': serverName, 'grpc.default_authority': serverName };
  return new Etcd3({
    hosts: host,
    grpcOptions: { ...channelOptions, ...named, ...grpcOptions },
    ...(credentials === undefined ? {} : { credentials: certificates as { rootCertificate: Buffer } }),
  });
}

/** The hosts inside a client of etcd3: its own call path retries writes and loses status codes, so it is passed by. */
export function hostsOf(client: Etcd3): readonly { host: RawHost; name: string }[] {
  const pool = (client.kv as unknown as { client?: { hosts?: unknown } }).client;
  const hosts = pool?.hosts;
  if (!Array.isArray(hosts) || hosts.length === 0 || !hosts.every(isRawHost)) {
    throw new QuorateError(
      'internal',
      'this version of etcd3 is not built as 1.1 is: its hosts are not found',
    );
  }
  return hosts.map((host: RawHost & { host?: unknown }) => ({ host, name: String(host.host) }));
}

function isRawHost(host: unknown): host is RawHost {
  return typeof (host as Partial<RawHost> | null)?.getServiceClient === 'function';
}
