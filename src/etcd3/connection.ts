import { QuorateError } from '../errors.js';
import {
  abortedError,
  checkWaitOptions,
  offAbort,
  onAbort,
  type Runtime,
  timeoutError,
  waitFor,
} from '../runtime/index.js';
import type { CallOptions } from '../store/index.js';
import { Authenticator, anonymous, type Credentials } from './authenticator.js';
import type { EndpointPool } from './endpoint-pool.js';
import { type CallKind, isStaleToken, typedError } from './grpc-errors.js';
import { type Method, methods } from './methods.js';
import {
  CallError,
  type ClientStream,
  type Endpoint,
  type StreamListener,
  type UnaryCall,
} from './transport/transport.js';

/** How a request is sent. */
export interface Manner {
  readonly kind: CallKind;
  /** In words, for messages. */
  readonly doing: string;
  /** May be answered by a member that knows of no leader. */
  readonly anyMember?: boolean;
}

/** Where a stream can be opened, and with what. */
export interface StreamSite {
  readonly endpoint: Endpoint;
  readonly credentials: Credentials;
}

/** What an open stream tells. After `failed` or `ended` it tells nothing more. */
export interface StreamEvents<Response> {
  received(response: Response): void;
  /** Something came that cannot be read; what comes next may be readable. */
  unreadable(error: QuorateError): void;
  failed(error: QuorateError): void;
  ended(): void;
}

export interface OpenStream<Request> {
  send(request: Request): void;
  /** Ends the stream; it tells nothing more. */
  cancel(): void;
}

const authenticateTimeoutMs = 5_000;

/**
 * Unary calls and streams to whichever endpoint is connected.
 *
 * A request is re-sent by itself only where that cannot show: a read that another member may still answer, a
 * request that provably got no stream, and one that was turned away at the door for a stale token. A write that
 * may have left is never sent again (B8).
 */
export class Connection {
  readonly runtime: Runtime;
  readonly pool: EndpointPool;
  readonly #auth: Authenticator;
  readonly #callTimeoutMs: number;
  readonly #open = new Set<UnaryCall>();
  #closed = false;

  constructor(
    pool: EndpointPool,
    runtime: Runtime,
    options: { auth: { username: string; password: string } | undefined; callTimeoutMs: number },
  ) {
    this.pool = pool;
    this.runtime = runtime;
    this.#callTimeoutMs = options.callTimeoutMs;
    const { auth } = options;
    this.#auth = new Authenticator(auth && (() => this.#authenticate(auth.username, auth.password)));
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Sends a request and decodes its response. */
  async call<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    manner: Manner,
    options: CallOptions,
  ): Promise<Response> {
    checkWaitOptions(options, manner.doing);
    const message = method.encode(request);
    const timeoutMs = options.timeoutMs ?? this.#callTimeoutMs;
    const deadlineMs = this.runtime.monotonicMs() + timeoutMs;
    let renewals = 0;
    for (let attempt = 1; ; attempt += 1) {
      if (this.#closed) throw this.#closedError(manner, 'not-applied');
      const endpoint =
        this.pool.ready() ?? (await this.#within(this.pool.connect(), deadlineMs, manner, options));
      const credentials =
        this.#auth.current ?? (await this.#within(this.#auth.get(), deadlineMs, manner, options));
      if (this.#closed) throw this.#closedError(manner, 'not-applied');
      const remainingMs = deadlineMs - this.runtime.monotonicMs();
      if (remainingMs <= 0) throw timeoutError(timeoutMs, manner.doing);
      const others = this.pool.endpoints.length - 1;
      const again = attempt <= Math.max(1, others);
      // A silent endpoint may use half of what is left, so that another can still answer.
      const limitMs = others > 0 && again && manner.kind === 'read' ? remainingMs / 2 : remainingMs;
      try {
        return await this.#send(endpoint, credentials, method, message, manner, options.signal, limitMs);
      } catch (error) {
        if (!(error instanceof CallError)) throw typedError(error, manner.kind, manner.doing, endpoint.name);
        if (isStaleToken(error) && renewals === 0 && this.#auth.invalidate(credentials)) {
          renewals += 1;
          continue;
        }
        const typed = typedError(error, manner.kind, manner.doing, endpoint.name);
        if (!isEndpointsFault(typed)) throw typed;
        this.pool.report(endpoint);
        const harmless = manner.kind === 'read' || error.neverSent;
        if (!again || !harmless || (others === 0 && typed.code === 'timeout')) throw typed;
      }
    }
  }

  /** A connected endpoint and present credentials, for a stream. */
  async streamSite(): Promise<StreamSite> {
    const endpoint = await this.pool.connect();
    const credentials = await this.#auth.get();
    if (this.#closed) throw new QuorateError('closed', 'the store is closed');
    return { endpoint, credentials };
  }

  /**
   * Opens a stream. Its failures are the caller's to handle, but why it broke is taken note of here, so that the next
   * one does not break for the same reason.
   */
  openStream<Request, Response>(
    { endpoint, credentials }: StreamSite,
    method: Method<Request, Response>,
    events: StreamEvents<Response>,
  ): OpenStream<Request> {
    const listener: StreamListener = {
      message: (message) => {
        let response: Response;
        try {
          response = method.decode(message);
        } catch (error) {
          events.unreadable(typedError(error, 'write', 'reading a stream', endpoint.name));
          return;
        }
        events.received(response);
      },
      failed: (error) => {
        if (isStaleToken(error)) this.#auth.invalidate(credentials);
        else this.pool.report(endpoint);
        events.failed(typedError(error, 'write', 'a stream', endpoint.name));
      },
      ended: () => events.ended(),
    };
    const stream: ClientStream = endpoint.stream(method.path, credentials.linearizable, listener);
    return {
      send: (request) => stream.write(method.encode(request)),
      cancel: () => stream.cancel(),
    };
  }

  /** Forgets a token that the server called stale. False where no user is configured. */
  staleToken(credentials: Credentials): boolean {
    return this.#auth.invalidate(credentials);
  }

  /** Fails all open calls and every later one with `closed`. */
  close(): void {
    this.#closed = true;
    for (const call of [...this.#open]) call.cancel();
  }

  #send<Response>(
    endpoint: Endpoint,
    credentials: Credentials,
    method: Method<never, Response>,
    message: Buffer,
    manner: Manner,
    signal: AbortSignal | undefined,
    limitMs: number,
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      const over = () => {
        this.#open.delete(call);
        if (signal !== undefined) offAbort(signal, cancel);
      };
      const metadata = manner.anyMember ? credentials.plain : credentials.linearizable;
      const call = endpoint.unary(method.path, message, metadata, limitMs, {
        succeeded: (response) => {
          over();
          try {
            resolve(method.decode(response));
          } catch (cause) {
            reject(typedError(cause, manner.kind, manner.doing, endpoint.name));
          }
        },
        failed: (error) => {
          over();
          reject(this.#ended(error, manner, signal));
        },
      });
      const cancel = () => call.cancel();
      this.#open.add(call);
      if (signal !== undefined) onAbort(signal, cancel);
    });
  }

  /** What a failed call means: that we cancelled it comes before what gRPC says of it. */
  #ended(error: CallError, manner: Manner, signal: AbortSignal | undefined): Error {
    const outcome = manner.kind === 'read' ? 'not-applied' : 'unknown';
    if (this.#closed) return this.#closedError(manner, outcome);
    if (signal?.aborted) return abortedError(signal, manner.doing, outcome);
    return error;
  }

  /** Waits, before anything is sent, no longer than the call may take. */
  async #within<T>(
    promise: Promise<T>,
    deadlineMs: number,
    manner: Manner,
    options: CallOptions,
  ): Promise<T> {
    const timeoutMs = Math.max(1, deadlineMs - this.runtime.monotonicMs());
    const value = await waitFor(this.runtime, promise, { signal: options.signal, timeoutMs }, manner.doing);
    if (options.signal?.aborted) throw abortedError(options.signal, manner.doing);
    return value;
  }

  async #authenticate(name: string, password: string): Promise<string | undefined> {
    const manner: Manner = { kind: 'read', doing: 'authenticating', anyMember: true };
    const message = methods.authenticate.encode({ name, password });
    for (let attempt = 1; ; attempt += 1) {
      const endpoint = await this.pool.connect();
      try {
        return await this.#send(
          endpoint,
          anonymous,
          methods.authenticate,
          message,
          manner,
          undefined,
          authenticateTimeoutMs,
        );
      } catch (error) {
        if (error instanceof CallError && error.details.includes('authentication is not enabled'))
          return undefined;
        const typed = typedError(error, manner.kind, manner.doing, endpoint.name);
        if (!isEndpointsFault(typed)) throw typed;
        this.pool.report(endpoint);
        if (attempt >= this.pool.endpoints.length) throw typed;
      }
    }
  }

  #closedError(manner: Manner, outcome: 'not-applied' | 'unknown'): QuorateError {
    return new QuorateError('closed', `the store was closed while ${manner.doing}`, { outcome });
  }
}

/** Whether another endpoint may do better. */
function isEndpointsFault({ code }: QuorateError): boolean {
  return code === 'unavailable' || code === 'timeout';
}
