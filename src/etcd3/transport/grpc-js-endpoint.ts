import {
  type Client,
  connectivityState,
  Metadata as GrpcMetadata,
  status as grpcStatus,
  type ServiceError,
} from '@grpc/grpc-js';
import type { Runtime } from '../../runtime/index.js';
import {
  CallError,
  type ClientStream,
  type Endpoint,
  type Metadata,
  type StreamListener,
  status,
  type UnaryCall,
  type UnaryListener,
} from './transport.js';

/** What this module uses of etcd3's host: the generated gRPC clients of one endpoint, which share its channel. */
export interface RawHost {
  getServiceClient(name: 'KV'): Client;
}

/** Asked for when the channel fails to connect: it has no reason to give, but a call has. */
const probePath = '/etcdserverpb.Maintenance/Status';
const noMessage = Buffer.alloc(0);

/** An endpoint reached through a channel of grpc-js. */
export class GrpcJsEndpoint implements Endpoint {
  readonly name: string;
  readonly #host: RawHost;
  readonly #runtime: Runtime;
  readonly #release: () => void;
  readonly #metadata = new WeakMap<Metadata, GrpcMetadata>();

  /** `release` closes the host's client, where it is ours to close. */
  constructor(host: RawHost, name: string, runtime: Runtime, release: () => void) {
    this.#host = host;
    this.name = name;
    this.#runtime = runtime;
    this.#release = release;
  }

  isReady(): boolean {
    try {
      return this.#channel().getConnectivityState(false) === connectivityState.READY;
    } catch {
      return false; // A client that was handed in has been closed by its owner; connecting will say so.
    }
  }

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
          else if (state === connectivityState.TRANSIENT_FAILURE) this.#probe(timeoutMs, resolve, reject);
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

  unary(
    path: string,
    message: Buffer,
    metadata: Metadata,
    timeoutMs: number,
    listener: UnaryListener,
  ): UnaryCall {
    const deadline = this.#runtime.wallMs() + timeoutMs;
    return this.#client().makeUnaryRequest(
      path,
      asIs,
      asIs,
      message,
      this.#grpcMetadata(metadata),
      { deadline },
      (error, response = noMessage) => {
        if (error === null) listener.succeeded(response);
        else listener.failed(callError(error));
      },
    );
  }

  stream(path: string, metadata: Metadata, listener: StreamListener): ClientStream {
    const stream = this.#client().makeBidiStreamRequest(path, asIs, asIs, this.#grpcMetadata(metadata), {});
    let over = false;
    stream.on('data', (message: Buffer) => {
      if (!over) listener.message(message);
    });
    stream.on('error', (error: ServiceError) => {
      if (over) return;
      over = true;
      listener.failed(callError(error));
    });
    // A failure is told as an error first, and only then as an end.
    stream.on('end', () => {
      if (over) return;
      over = true;
      listener.ended();
    });
    return {
      write: (message) => {
        stream.write(message);
      },
      cancel: () => {
        over = true;
        stream.cancel();
      },
    };
  }

  close(): void {
    this.#release();
  }

  /** Looked up each time: another user of a shared etcd3 client may have it replaced. */
  #client(): Client {
    return this.#host.getServiceClient('KV');
  }

  #channel() {
    return this.#client().getChannel();
  }

  #grpcMetadata(metadata: Metadata): GrpcMetadata {
    const known = this.#metadata.get(metadata);
    if (known !== undefined) return known;
    const made = new GrpcMetadata();
    for (const [name, value] of Object.entries(metadata)) made.set(name, value);
    this.#metadata.set(metadata, made);
    return made;
  }

  #probe(timeoutMs: number, resolve: () => void, reject: (error: Error) => void): void {
    this.unary(probePath, noMessage, {}, timeoutMs, { succeeded: resolve, failed: reject });
  }
}

function asIs(bytes: Buffer): Buffer {
  return bytes;
}

function callError(error: ServiceError): CallError {
  const { details } = error;
  // grpc-js says so itself of a reply without a message; a server's own words of the code are others.
  const empty = error.code === grpcStatus.UNIMPLEMENTED && details === 'No message received';
  const failure = {
    grpcCode: empty ? status.internal : error.code,
    details: details || error.message,
    neverSent: neverSent(error),
  };
  return new CallError(failure, error);
}

/** True if the request never got a stream of a connection. grpc-js tells it by its texts alone. */
function neverSent({ code, details }: ServiceError): boolean {
  if (code === grpcStatus.DEADLINE_EXCEEDED) {
    return details.includes('Waiting for LB pick') || details.includes('waiting for name resolution');
  }
  if (code !== grpcStatus.UNAVAILABLE) return false;
  return (
    details.startsWith('No connection established') ||
    details.startsWith('Name resolution failed') ||
    details === 'Stream refused by server'
  );
}
