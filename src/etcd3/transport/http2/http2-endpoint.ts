import { Backoff, type Runtime } from '../../../runtime/index.js';
import type {
  ClientStream,
  Endpoint,
  Metadata,
  StreamListener,
  UnaryCall,
  UnaryListener,
} from '../transport.js';
import { status } from '../transport.js';
import { type Address, addressOf } from './address.js';
import { Http2Connection } from './http2-connection.js';
import { failure } from './outcome.js';
import { openSocket, type TlsSettings } from './socket.js';

/** How long a server is left alone after a failed attempt to connect. */
const backoffTimes = { firstMs: 100, longestMs: 2_000 } as const;

/**
 * An endpoint reached through connections of our own, one at a time: another is opened when it is asked for, and the
 * last one has been lost or takes no more calls. What is open on such a one may end there.
 */
export class Http2Endpoint implements Endpoint {
  readonly name: string;
  readonly #address: Address;
  readonly #tls: TlsSettings | undefined;
  readonly #runtime: Runtime;
  readonly #backoff: Backoff;
  readonly #connections = new Set<Http2Connection>();
  #current: Http2Connection | undefined;
  #connecting: Promise<void> | undefined;
  /** Why the last attempt to connect failed, and until when there is no other. */
  #failed: { readonly error: Error; readonly untilMs: number } | undefined;
  #abandon: ((error: Error) => void) | undefined;
  #closed = false;

  /** `host` as the options of a store name it; encrypted where `tls` is given. */
  constructor(host: string, tls: TlsSettings | undefined, runtime: Runtime) {
    this.#address = addressOf(host);
    this.name = this.#address.authority;
    this.#tls = tls;
    this.#runtime = runtime;
    this.#backoff = new Backoff(runtime, backoffTimes);
  }

  isReady(): boolean {
    return this.#current?.usable ?? false;
  }

  connect(timeoutMs: number): Promise<void> {
    if (this.isReady()) return Promise.resolve();
    if (this.#connecting !== undefined) return this.#connecting;
    const failed = this.#failed;
    if (this.#closed) return Promise.reject(new Error('the endpoint is closed'));
    if (failed !== undefined && this.#runtime.monotonicMs() < failed.untilMs) {
      return Promise.reject(failed.error);
    }
    this.#connecting = this.#attempt(timeoutMs).then(
      () => {
        this.#connecting = undefined;
        this.#failed = undefined;
        this.#backoff.reset();
      },
      (error: Error) => {
        this.#connecting = undefined;
        this.#failed = { error, untilMs: this.#runtime.monotonicMs() + this.#backoff.nextMs() };
        throw error;
      },
    );
    return this.#connecting;
  }

  unary(
    path: string,
    message: Buffer,
    metadata: Metadata,
    timeoutMs: number,
    listener: UnaryListener,
  ): UnaryCall {
    const connection = this.#current;
    if (!connection?.usable) return this.#notConnected(listener);
    let response: Buffer | undefined;
    const stream = connection.open(
      { path, metadata, timeoutMs, first: message, only: true },
      {
        message: (received) => {
          if (response === undefined) response = received;
          else stream.finish(failure(status.internal, 'the server answers twice'), true);
        },
        closed: (outcome) => {
          if (outcome !== undefined) listener.failed(outcome);
          else if (response !== undefined) listener.succeeded(response);
          else listener.failed(failure(status.internal, 'the server answers without a message'));
        },
      },
    );
    return { cancel: () => connection.cancel(stream) };
  }

  stream(path: string, metadata: Metadata, listener: StreamListener): ClientStream {
    const connection = this.#current;
    if (!connection?.usable) {
      const call = this.#notConnected(listener);
      return { write: () => {}, cancel: call.cancel };
    }
    let cancelled = false;
    const stream = connection.open(
      { path, metadata, only: false },
      {
        message: (message) => listener.message(message),
        closed: (outcome) => {
          if (cancelled) return;
          if (outcome === undefined) listener.ended();
          else listener.failed(outcome);
        },
      },
    );
    return {
      write: (message) => stream.write(message),
      cancel: () => {
        cancelled = true;
        connection.cancel(stream);
      },
    };
  }

  close(): void {
    this.#closed = true;
    this.#abandon?.(new Error('the endpoint is closed'));
    for (const connection of [...this.#connections]) connection.close();
  }

  /** One attempt. Resolves once the server has answered as one that speaks HTTP/2. */
  #attempt(timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const over = () => {
        timer.cancel();
        if (this.#abandon === fail) this.#abandon = undefined;
      };
      const fail = (error: Error) => {
        over();
        socket.destroy();
        reject(told(error));
      };
      let connection: Http2Connection | undefined;
      const opened = () => {
        socket.off('error', fail);
        const made = new Http2Connection({
          socket,
          secure: this.#tls !== undefined,
          authority: this.#tls?.serverName ?? this.#address.authority,
          runtime: this.#runtime,
          onReady: () => {
            over();
            this.#current = made;
            resolve();
          },
          onClosed: (error) => {
            this.#connections.delete(made);
            if (this.#current === made) this.#current = undefined;
            fail(error);
          },
        });
        this.#connections.add(made);
        connection = made;
      };
      const socket = openSocket(this.#address, this.#tls, {
        opened,
        received: (chunk) => connection?.received(chunk),
      });
      socket.on('error', fail);
      const timer = this.#runtime.setTimer(timeoutMs, () => {
        // After a stall of this process the answer may have arrived, and wait behind the timer.
        void this.#runtime.nextTurn().then(() => {
          if (this.#abandon === fail) fail(new Error(`no connection within ${Math.ceil(timeoutMs)} ms`));
        });
      });
      this.#abandon = fail;
    });
  }

  #notConnected(listener: Pick<UnaryListener, 'failed'>): UnaryCall {
    let cancelled = false;
    process.nextTick(() => {
      const code = cancelled ? status.cancelled : status.unavailable;
      listener.failed(failure(code, 'there is no connection', true));
    });
    return {
      cancel: () => {
        cancelled = true;
      },
    };
  }
}

/** Where several addresses were tried, what is thrown has no words of its own. */
function told(error: Error): Error {
  if (error.message !== '' || !(error instanceof AggregateError)) return error;
  return new Error(error.errors.map(String).join('; '), { cause: error });
}
