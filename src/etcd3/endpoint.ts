import {
  type Client,
  type ClientDuplexStream,
  type ClientUnaryCall,
  connectivityState,
  type CallOptions as GrpcCallOptions,
  Metadata,
  type requestCallback,
  type ServiceClientConstructor,
} from '@grpc/grpc-js';
import type { Etcd3 } from 'etcd3';
import { QuorateError } from '../errors.js';
import type { Runtime } from '../runtime/index.js';
import { type Method, methods, type ServiceName } from './methods.js';

/** What this module uses of etcd3's host: the generated gRPC clients of one endpoint. */
export interface RawHost {
  getServiceClient(name: ServiceName): Client;
}

interface MethodCodec {
  readonly path: string;
  readonly requestSerialize: (value: unknown) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => unknown;
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

/** One server address: whether it is connected, and calls to it. All calls travel on one channel. */
export class Endpoint {
  readonly name: string;
  readonly #host: RawHost;
  readonly #runtime: Runtime;
  readonly #codecs = new Map<string, MethodCodec>();

  constructor(host: RawHost, name: string, runtime: Runtime) {
    this.#host = host;
    this.name = name;
    this.#runtime = runtime;
  }

  isReady(): boolean {
    try {
      return this.#channel().getConnectivityState(false) === connectivityState.READY;
    } catch {
      return false; // A client that was handed in has been closed by its owner; connecting will say so.
    }
  }

  /** Resolves once connected; rejects once an attempt has failed, or after `timeoutMs`. */
  connect(timeoutMs: number): Promise<void> {
    const deadline = this.#runtime.wallMs() + timeoutMs;
    return new Promise((resolve, reject) => {
      const channel = this.#channel();
      const look = (passed = false) => {
        try {
          const state = channel.getConnectivityState(true);
          if (state === connectivityState.READY) resolve();
          else if (passed) reject(new Error(`no connection within ${Math.ceil(timeoutMs)} ms`));
          else if (state === connectivityState.SHUTDOWN) reject(new Error('the channel is closed'));
          else if (state === connectivityState.TRANSIENT_FAILURE) this.#probe(deadline, resolve, reject);
          else {
            channel.watchConnectivityState(state, deadline, (late) => {
              // After a stall of this process the answer may have arrived, and wait behind the timer.
              if (late === undefined) look();
              else void this.#runtime.nextTurn().then(() => look(true));
            });
          }
        } catch (error) {
          reject(error);
        }
      };
      look();
    });
  }

  unary<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    metadata: Metadata,
    options: GrpcCallOptions,
    callback: requestCallback<Response>,
  ): ClientUnaryCall {
    const codec = this.#codec(method);
    return this.#client().makeUnaryRequest(
      codec.path,
      codec.requestSerialize,
      codec.responseDeserialize as (bytes: Buffer) => Response,
      request,
      metadata,
      options,
      callback,
    );
  }

  stream<Request, Response>(
    method: Method<Request, Response>,
    metadata: Metadata,
  ): ClientDuplexStream<Request, Response> {
    const codec = this.#codec(method);
    return this.#client().makeBidiStreamRequest(
      codec.path,
      codec.requestSerialize,
      codec.responseDeserialize as (bytes: Buffer) => Response,
      metadata,
      {},
    );
  }

  /** Looked up each time: another user of a shared etcd3 client may have it replaced. */
  #client(): Client {
    return this.#host.getServiceClient('KV');
  }

  #channel() {
    return this.#client().getChannel();
  }

  #codec<Request, Response>(method: Method<Request, Response>): MethodCodec {
    const known = this.#codecs.get(method.name);
    if (known !== undefined) return known;
    const client = this.#host.getServiceClient(method.service);
    const found = (client.constructor as ServiceClientConstructor).service[method.name];
    if (found === undefined) throw new QuorateError('internal', `etcd3 has no method ${method.name}`);
    this.#codecs.set(method.name, found);
    return found;
  }

  /** A connectivity state has no reason; a call that fails for the same cause has. */
  #probe(deadline: number, resolve: () => void, reject: (error: Error) => void): void {
    this.unary(methods.status, {}, new Metadata(), { deadline }, (error) => {
      if (error === null) resolve();
      else reject(error);
    });
  }
}
