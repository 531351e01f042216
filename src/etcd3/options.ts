import type { ChannelOptions } from '@grpc/grpc-js';
import type { Etcd3 } from 'etcd3';
import { invalidArgument, shown } from '../errors.js';
import { type Runtime, systemRuntime } from '../runtime/index.js';
import { checkRenewal, type RenewalSettings } from './renewal/renewal-options.js';

export interface Etcd3StoreOptions {
  /** `host:port`, or a URL with `http://` or `https://`; one, or several members of one cluster. */
  hosts?: string | readonly string[];
  /** TLS. Given, or with `https://` hosts, connections are encrypted; PEM. */
  credentials?: {
    readonly rootCertificate: Buffer;
    readonly privateKey?: Buffer;
    readonly certChain?: Buffer;
    /** The name that the servers' certificates are to bear, where it is not that of the host. */
    readonly serverName?: string;
  };
  auth?: { readonly username: string; readonly password: string };
  /** A client that exists already, in place of `hosts`, `credentials` and `auth`. It is not closed by the store. */
  etcd3?: Etcd3;
  /** How long opening waits for the first answer. Default 5,000. */
  connectTimeoutMs?: number;
  /** Limit of a call that sets none itself. Default 5,000. */
  callTimeoutMs?: number;
  /**
   * What carries the calls. `'http2'`, the default: HTTP/2 connections of our own. `'grpc-js'`: channels of that package,
   * which cost several times as much for each call; the default with `etcd3` or `grpcOptions`, which are for it.
   */
  transport?: 'http2' | 'grpc-js';
  /** Options of the channels of grpc-js, over those that the store sets. Not with `etcd3`. */
  grpcOptions?: ChannelOptions;
  runtime?: Runtime;
  /**
   * Who renews the leases of the sessions of clients of this store. `'loop'`, the default: this event loop. `'worker'`: a
   * thread with a connection of its own, so that a computation that blocks the event loop for longer than a TTL costs no
   * session; not with `etcd3` or a `runtime`.
   */
  renewal?: 'loop' | 'worker';
  /** How long in ms the thread goes on renewing while this event loop stands still, at most. Default 60,000. */
  longestStallMs?: number;
}

/** Options as checked and completed. */
export interface Settings extends RenewalSettings {
  readonly hosts: readonly string[];
  readonly credentials: Etcd3StoreOptions['credentials'];
  readonly auth: Etcd3StoreOptions['auth'];
  readonly etcd3: Etcd3 | undefined;
  readonly connectTimeoutMs: number;
  readonly callTimeoutMs: number;
  readonly transport: 'http2' | 'grpc-js';
  readonly grpcOptions: ChannelOptions;
  readonly runtime: Runtime;
}

const known = new Set([
  'hosts',
  'credentials',
  'auth',
  'etcd3',
  'connectTimeoutMs',
  'callTimeoutMs',
  'transport',
  'grpcOptions',
  'runtime',
  'renewal',
  'longestStallMs',
]);
const defaultTransport = 'http2';
const hostPattern = /^(?:https?:\/\/)?(?:\[[0-9a-fA-F:.%]+\]|[^\s/:@?#[\]]+):(\d{1,5})\/?$/;
const hostAccepted = "'host:port', 'http://host:port' or 'https://host:port', with a port from 1 to 65535";

export function checkOptions(options: Etcd3StoreOptions): Settings {
  if (typeof options !== 'object' || options === null) {
    throw invalidArgument('the options of the store are not an object', 'at least { hosts } or { etcd3 }');
  }
  for (const name of Object.keys(options)) {
    if (!known.has(name)) throw invalidArgument(`unknown option ${name}`, [...known].join(', '));
  }
  const { etcd3, auth, credentials } = options;
  if (etcd3 !== undefined) {
    for (const name of ['hosts', 'credentials', 'auth', 'grpcOptions'] as const) {
      if (options[name] !== undefined) {
        throw invalidArgument(`both etcd3 and ${name}`, 'either an existing client or how to make one');
      }
    }
  }
  if (auth !== undefined) checkAuth(auth);
  if (credentials !== undefined) checkCredentials(credentials);
  return {
    hosts: etcd3 === undefined ? checkHosts(options.hosts, credentials !== undefined) : [],
    credentials,
    auth,
    ...checkRenewal(options),
    etcd3,
    connectTimeoutMs: checkTimeout(options.connectTimeoutMs, 'connectTimeoutMs'),
    callTimeoutMs: checkTimeout(options.callTimeoutMs, 'callTimeoutMs'),
    transport: checkTransport(options),
    grpcOptions: options.grpcOptions ?? {},
    runtime: options.runtime ?? systemRuntime,
  };
}

function checkTransport({ transport, etcd3, grpcOptions }: Etcd3StoreOptions): Settings['transport'] {
  if (transport !== undefined && transport !== 'http2' && transport !== 'grpc-js') {
    throw invalidArgument(`transport is ${shown(transport)}`, 'http2, grpc-js');
  }
  const channels = etcd3 !== undefined || Object.keys(grpcOptions ?? {}).length > 0;
  if (transport === 'http2' && channels) {
    throw invalidArgument('transport http2 with etcd3 or grpcOptions', 'grpc-js for them, or neither');
  }
  return transport ?? (channels ? 'grpc-js' : defaultTransport);
}

function checkHosts(hosts: unknown, encrypted: boolean): readonly string[] {
  const list: unknown = typeof hosts === 'string' ? [hosts] : hosts;
  if (!Array.isArray(list) || list.length === 0) {
    throw invalidArgument('no hosts', `one or several of ${hostAccepted}; or etcd3`);
  }
  const checked = list.map((host: unknown) => checkHost(host));
  const secure = checked.filter((host) => host.startsWith('https://')).length;
  if (secure > 0 && secure < checked.length) {
    throw invalidArgument('hosts mix http and https', 'all of them encrypted, or none');
  }
  if (encrypted && checked.some((host) => host.startsWith('http://'))) {
    throw invalidArgument('credentials with http:// hosts', 'https:// hosts, or hosts without a scheme');
  }
  return [...new Set(checked)];
}

function checkHost(host: unknown): string {
  if (typeof host !== 'string') throw invalidArgument(`a host of type ${typeof host}`, hostAccepted);
  const port = Number(hostPattern.exec(host)?.[1] ?? 0);
  if (port < 1 || port > 65_535) throw invalidArgument(`host ${JSON.stringify(host)}`, hostAccepted);
  return host.replace(/\/$/, '');
}

function checkAuth(auth: unknown): void {
  const accepted = '{ username, password }, both non-empty strings';
  if (typeof auth !== 'object' || auth === null) throw invalidArgument('auth is not an object', accepted);
  const { username, password } = auth as Record<string, unknown>;
  if (typeof username !== 'string' || username === '')
    throw invalidArgument('auth without a username', accepted);
  if (typeof password !== 'string' || password === '')
    throw invalidArgument('auth without a password', accepted);
}

function checkCredentials(credentials: unknown): void {
  const accepted = '{ rootCertificate, privateKey?, certChain? } as buffers of PEM, and serverName?';
  if (typeof credentials !== 'object' || credentials === null) {
    throw invalidArgument('credentials is not an object', accepted);
  }
  const { rootCertificate, privateKey, certChain, serverName } = credentials as Record<string, unknown>;
  if (!Buffer.isBuffer(rootCertificate)) {
    throw invalidArgument('credentials.rootCertificate is not a buffer', accepted);
  }
  for (const part of [privateKey, certChain]) {
    if (part !== undefined && !Buffer.isBuffer(part)) {
      throw invalidArgument('credentials have a part that is not a buffer', accepted);
    }
  }
  if (serverName !== undefined && (typeof serverName !== 'string' || serverName === '')) {
    throw invalidArgument('credentials.serverName is not a name', accepted);
  }
  if ((privateKey === undefined) !== (certChain === undefined)) {
    throw invalidArgument('credentials with only one of privateKey and certChain', accepted);
  }
}

function checkTimeout(value: unknown, name: string): number {
  if (value === undefined) return 5_000;
  if (typeof value !== 'number' || !(value > 0) || value > 2 ** 31 - 1) {
    throw invalidArgument(`${name} is ${shown(value)}`, 'milliseconds above 0, at most 2147483647');
  }
  return value;
}
