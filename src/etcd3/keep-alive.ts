/**
 * Keep-alives of all leases on one stream.
 *
 * The server answers the requests of a stream one by one, so the n-th reply for a lease belongs to the n-th request
 * for it. A call that gives up leaves its place in that order, so that its reply is not taken for the next call's.
 * When the stream is cut, the requests without a reply fail as `unavailable`, outcome unknown: restarting a TTL
 * twice does no harm, but whether it was restarted is for the caller to find out. A stream that has answered
 * nothing since a request that timed out is given up, so that the next call opens another, elsewhere if it can.
 */
import { QuorateError } from '../errors.js';
import { abortedError, checkWaitOptions, type Timer, waitFor } from '../runtime/index.js';
import type { CallOptions, LeaseGrant, LeaseId } from '../store/index.js';
import type { Connection, OpenStream, StreamSite } from './connection.js';
import { methods } from './methods.js';

interface Waiter {
  readonly sentAfter: number;
  settle: ((result: number | QuorateError) => void) | undefined;
}

/** The open stream, and where it leads. */
interface KeepAliveStream {
  readonly site: StreamSite;
  readonly stream: OpenStream<LeaseId>;
}

const doing = 'keeping a lease alive';

export class KeepAlives {
  readonly #connection: Connection;
  readonly #callTimeoutMs: number;
  #open: KeepAliveStream | undefined;
  #opening: Promise<KeepAliveStream> | undefined;
  #waiters = new Map<LeaseId, Waiter[]>();
  #replies = 0;

  constructor(connection: Connection, callTimeoutMs: number) {
    this.#connection = connection;
    this.#callTimeoutMs = callTimeoutMs;
  }

  async keepAlive(id: LeaseId, options: CallOptions): Promise<number> {
    checkWaitOptions(options, doing);
    const { runtime } = this.#connection;
    const { signal, timeoutMs = this.#callTimeoutMs } = options;
    const deadlineMs = runtime.monotonicMs() + timeoutMs;
    if (this.#connection.closed) throw new QuorateError('closed', 'the store is closed');
    if (this.#open === undefined) {
      await waitFor(runtime, this.#openStream(), { signal, timeoutMs }, doing);
      if (signal?.aborted) throw abortedError(signal, doing);
    }
    const open = this.#open;
    if (open === undefined)
      throw new QuorateError('unavailable', 'the stream of keep-alives was cut at once');
    return this.#request(open, id, signal, Math.max(1, deadlineMs - runtime.monotonicMs()));
  }

  /** Ends the stream; what waits on it fails with `error`. */
  close(error: QuorateError): void {
    if (this.#open !== undefined) this.#cut(this.#open, error);
  }

  #request(
    open: KeepAliveStream,
    id: LeaseId,
    signal: AbortSignal | undefined,
    timeoutMs: number,
  ): Promise<number> {
    return new Promise((resolve, reject) => {
      let timer: Timer | undefined;
      const onAbort = () => {
        if (signal) waiter.settle?.(abortedError(signal, doing, 'unknown'));
      };
      const waiter: Waiter = {
        sentAfter: this.#replies,
        settle: (result) => {
          waiter.settle = undefined;
          timer?.cancel();
          signal?.removeEventListener('abort', onAbort);
          if (typeof result === 'number') resolve(result);
          else reject(result);
        },
      };
      timer = this.#connection.runtime.setTimer(timeoutMs, () => {
        const message = `no reply within ${Math.ceil(timeoutMs)} ms while ${doing}`;
        waiter.settle?.(new QuorateError('timeout', message, { outcome: 'unknown' }));
        if (this.#open === open && this.#replies === waiter.sentAfter) this.#silent(open);
      });
      signal?.addEventListener('abort', onAbort, { once: true });
      const line = this.#waiters.get(id);
      if (line === undefined) this.#waiters.set(id, [waiter]);
      else line.push(waiter);
      open.stream.send(id);
    });
  }

  #openStream(): Promise<KeepAliveStream> {
    this.#opening ??= this.#connection
      .streamSite()
      .then((site) => {
        const stream = this.#connection.openStream(site, methods.leaseKeepAlive, {
          received: (reply) => this.#reply(open, reply),
          unreadable: (error) => this.#cut(open, error),
          failed: (error) => this.#cut(open, error),
          ended: () => {
            const error = 'the server ended the stream';
            this.#cut(open, new QuorateError('unavailable', error, { outcome: 'unknown' }));
          },
        });
        const open: KeepAliveStream = { site, stream };
        this.#open = open;
        return open;
      })
      .finally(() => {
        this.#opening = undefined;
      });
    return this.#opening;
  }

  #reply(open: KeepAliveStream, { id, ttlSeconds }: LeaseGrant): void {
    if (this.#open !== open) return;
    this.#replies += 1;
    const line = this.#waiters.get(id);
    const waiter = line?.shift();
    if (line?.length === 0) this.#waiters.delete(id);
    waiter?.settle?.(Math.max(0, ttlSeconds));
  }

  #silent(open: KeepAliveStream): void {
    this.#connection.pool.report(open.site.endpoint);
    this.#cut(open, new QuorateError('unavailable', 'the stream fell silent', { outcome: 'unknown' }));
  }

  #cut(open: KeepAliveStream, error: QuorateError): void {
    if (this.#open !== open) return;
    this.#open = undefined;
    const waiters = [...this.#waiters.values()].flat();
    this.#waiters = new Map();
    open.stream.cancel();
    for (const waiter of waiters) waiter.settle?.(error);
  }
}
