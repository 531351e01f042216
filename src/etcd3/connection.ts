import type { ClientDuplexStream, ClientUnaryCall, ServiceError } from '@grpc/grpc-js';
import { QuorateError } from '../errors.js';
import { abortedError, checkWaitOptions, type Runtime, waitFor } from '../runtime/index.js';
import type { CallOptions } from '../store/index.js';
import { Authenticator, anonymous, type Credentials } from './authenticator.js';
import type { Endpoint } from './endpoint.js';
import type { EndpointPool } from './endpoint-pool.js';
import { type CallKind, isServiceError, isStaleToken, neverSent, typedError } from './grpc-errors.js';
import { type Method, methods } from './methods.js';

/** How a request is sent. */
export interface Manner {
  readonly kind: CallKind;
  /** In words, for messages. */
  readonly doing: string;
  /** May be answered by a member that knows of no leader. */
  readonly anyMember?: boolean;
}

/** An open stream and what it was opened with. */
export interface OpenStream<Request, Response> {
  readonly stream: ClientDuplexStream<Request, Response>;
  readonly endpoint: Endpoint;
  readonly credentials: Credentials;
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
  readonly #open = new Set<ClientUnaryCall>();
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
  async call<Request, Response, Result>(
    method: Method<Request, Response>,
    request: Request,
    decode: (response: Response) => Result,
    manner: Manner,
    options: CallOptions,
  ): Promise<Result> {
    checkWaitOptions(options, manner.doing);
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
      if (remainingMs <= 0) throw timeoutError(manner, timeoutMs);
      const others = this.pool.endpoints.length - 1;
      const again = attempt <= Math.max(1, others);
      // A silent endpoint may use half of what is left, so that another can still answer.
      const limitMs = others > 0 && again && manner.kind === 'read' ? remainingMs / 2 : remainingMs;
      try {
        return await this.#send(
          endpoint,
          credentials,
          method,
          request,
          decode,
          manner,
          options.signal,
          limitMs,
        );
      } catch (error) {
        if (!isServiceError(error)) throw typedError(error, manner.kind, manner.doing, endpoint.name);
        if (isStaleToken(error) && renewals === 0 && this.#auth.invalidate(credentials)) {
          renewals += 1;
          continue;
        }
        const typed = typedError(error, manner.kind, manner.doing, endpoint.name);
        if (!isEndpointsFault(typed)) throw typed;
        this.pool.report(endpoint);
        const harmless = manner.kind === 'read' || neverSent(error);
        if (!again || !harmless || (others === 0 && typed.code === 'timeout')) throw typed;
      }
    }
  }

  /** Opens a stream at a connected endpoint. Its failures are the caller's to handle. */
  async openStream<Request, Response>(
    method: Method<Request, Response>,
  ): Promise<OpenStream<Request, Response>> {
    const endpoint = await this.pool.connect();
    const credentials = await this.#auth.get();
    if (this.#closed) throw new QuorateError('closed', 'the store is closed');
    return { stream: endpoint.stream(method, credentials.linearizable), endpoint, credentials };
  }

  /** Takes note of why a stream broke, so that the next one does not break for the same reason. */
  streamFailed(open: { endpoint: Endpoint; credentials: Credentials }, error: unknown): QuorateError {
    if (isServiceError(error) && isStaleToken(error)) this.#auth.invalidate(open.credentials);
    else this.pool.report(open.endpoint);
    return typedError(error, 'write', 'a stream', open.endpoint.name);
  }

  /** Forgets a token that the server called stale. False where no user is configured. */
  staleToken(credentials: Credentials): boolean {
    return this.#auth.invalidate(credentials);
  }

  /** Fails all open calls and every later one with `closed`. */
  close(): void {
    this.#closed = true;
    for (const call of this.#open) call.cancel();
  }

  #send<Request, Response, Result>(
    endpoint: Endpoint,
    credentials: Credentials,
    method: Method<Request, Response>,
    request: Request,
    decode: (response: Response) => Result,
    manner: Manner,
    signal: AbortSignal | undefined,
    limitMs: number,
  ): Promise<Result> {
    return new Promise((resolve, reject) => {
      const done = (error: ServiceError | null, response?: Response) => {
        this.#open.delete(call);
        signal?.removeEventListener('abort', cancel);
        if (error !== null) reject(this.#ended(error, manner, signal));
        else {
          try {
            resolve(decode(response as Response));
          } catch (cause) {
            reject(typedError(cause, manner.kind, manner.doing, endpoint.name));
          }
        }
      };
      const metadata = manner.anyMember ? credentials.plain : credentials.linearizable;
      const deadline = this.runtime.wallMs() + limitMs;
      const call = endpoint.unary(method, request, metadata, { deadline }, done);
      const cancel = () => call.cancel();
      this.#open.add(call);
      signal?.addEventListener('abort', cancel, { once: true });
    });
  }

  /** What a failed call means: that we cancelled it comes before what gRPC says of it. */
  #ended(error: ServiceError, manner: Manner, signal: AbortSignal | undefined): Error {
    const outcome = manner.kind === 'read' ? 'not-applied' : 'unknown';
    if (this.#closed) return this.#closedError(manner, outcome);
    if (signal?.aborted) {
      return new QuorateError('aborted', `aborted while ${manner.doing}`, { cause: signal.reason, outcome });
    }
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
    const decode = ({ token }: { token: string }) => token;
    for (let attempt = 1; ; attempt += 1) {
      const endpoint = await this.pool.connect();
      try {
        return await this.#send(
          endpoint,
          anonymous,
          methods.authenticate,
          { name, password },
          decode,
          manner,
          undefined,
          authenticateTimeoutMs,
        );
      } catch (error) {
        if (isServiceError(error) && error.details.includes('authentication is not enabled'))
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

function timeoutError(manner: Manner, timeoutMs: number): QuorateError {
  return new QuorateError('timeout', `no result within ${timeoutMs} ms while ${manner.doing}`);
}
