/**
 * All watches of a store on one stream.
 *
 * Each watch gets an id that we choose, never used twice, before its create request is written; so whatever comes
 * for it finds it (B2), and what comes for an id that is gone is ignored (B5). The stream is opened when there is
 * something to watch; handlers stand before the first request is written. When it breaks, or falls silent, every
 * watch is told `interrupted`, a new stream is opened at any endpoint after a growing pause, and every watch is
 * created there again from its own next revision.
 *
 * Silence: HTTP/2 pings find a dead connection or process; `hasleader` makes a member without a quorum end the
 * stream; and if nothing came for a while the server is asked for its progress, and cut off if it stays silent.
 * Those replies only show that it lives: in older servers they may overtake events, so no position moves by them.
 *
 * A refused watch fails alone. "Permission denied" is checked by a read of the same key first, since some servers
 * say so of a stale token too; then, or if the token is called stale, the stream is opened again with a new one.
 */
import { QuorateError } from '../errors.js';
import { Backoff, type Timer } from '../runtime/index.js';
import type { Connection, OpenStream, StreamSite } from './connection.js';
import type { WatchResponse } from './decode.js';
import type { WatchMessage } from './encode.js';
import { typedReason } from './grpc-errors.js';
import { methods } from './methods.js';
import type { Etcd3Watch, WatchOwner } from './watch.js';

/** An open stream and the watches on it. */
interface Attached {
  readonly site: StreamSite;
  readonly stream: OpenStream<WatchMessage>;
  readonly watches: Map<number, Etcd3Watch>;
  /** Ids whose creation is not confirmed, in the order of the requests, which is that of the replies. */
  readonly uncreated: Map<number, number>;
  lastHeardMs: number;
  askedMs: number | undefined;
}

export interface WatchTimes {
  /** Longest wait for the server to confirm a watch. */
  readonly createMs: number;
  /** After so long without a word the server is asked for one. */
  readonly silenceMs: number;
  /** And has so long to give it. */
  readonly answerMs: number;
}

const defaultTimes: WatchTimes = { createMs: 10_000, silenceMs: 10_000, answerMs: 10_000 };
const lookMs = 1_000;

export class WatchStream implements WatchOwner {
  readonly #connection: Connection;
  readonly #times: WatchTimes;
  readonly #backoff: Backoff;
  readonly #watches = new Set<Etcd3Watch>();
  /** Denied, though a read of the same keys was not: to be created once more, with a new token. */
  readonly #doubted = new WeakSet<Etcd3Watch>();
  #attached: Attached | undefined;
  #opening = false;
  #retry: Timer | undefined;
  #look: Timer | undefined;
  #lastId = 0;
  #closed = false;

  constructor(connection: Connection, times: WatchTimes = defaultTimes) {
    this.#connection = connection;
    this.#times = times;
    this.#backoff = new Backoff(connection.runtime, { firstMs: 50, longestMs: 3_000 });
  }

  add(watch: Etcd3Watch): void {
    this.#watches.add(watch);
    if (this.#attached !== undefined) this.#create(this.#attached, watch);
    else if (this.#retry === undefined) this.#open();
  }

  closed(watch: Etcd3Watch): void {
    if (this.#watches.delete(watch)) this.parked(watch);
  }

  parked(watch: Etcd3Watch): void {
    const attached = this.#attached;
    if (attached === undefined) return;
    for (const [id, other] of attached.watches) {
      if (other !== watch) continue;
      attached.watches.delete(id);
      attached.stream.send({ cancel: id });
    }
  }

  unparked(watch: Etcd3Watch): void {
    if (this.#attached !== undefined) this.#create(this.#attached, watch);
    else watch.interrupted(new QuorateError('unavailable', 'the connection was lost meanwhile'));
  }

  /** Ends the stream and every watch. */
  close(): void {
    this.#closed = true;
    this.#retry?.cancel();
    this.#retry = undefined;
    this.#detach()?.stream.cancel();
    for (const watch of this.#watches) watch.close();
    this.#watches.clear();
  }

  #open(): void {
    if (this.#opening || this.#closed || this.#watches.size === 0) return;
    this.#opening = true;
    this.#connection.streamSite().then(
      (site) => {
        this.#opening = false;
        this.#attach(site);
      },
      (error: unknown) => {
        this.#opening = false;
        if (this.#closed) return;
        if (error instanceof QuorateError && isFinal(error)) this.#failAll(error);
        else this.#interrupt(error instanceof Error ? error : new Error(String(error)));
      },
    );
  }

  #attach(site: StreamSite): void {
    if (this.#closed) return;
    const stream = this.#connection.openStream(site, methods.watch, {
      received: (response) => this.#receive(attached, response),
      unreadable: (error) => this.#cut(attached, error),
      failed: (error) => this.#cut(attached, error),
      ended: () => this.#cut(attached, new QuorateError('unavailable', 'the server ended the watch stream')),
    });
    const attached: Attached = {
      site,
      stream,
      watches: new Map(),
      uncreated: new Map(),
      lastHeardMs: this.#connection.runtime.monotonicMs(),
      askedMs: undefined,
    };
    this.#attached = attached;
    for (const watch of this.#watches) if (!watch.parked) this.#create(attached, watch);
    this.#keepLooking();
  }

  #create(attached: Attached, watch: Etcd3Watch): void {
    this.#lastId += 1;
    const id = this.#lastId;
    attached.watches.set(id, watch);
    attached.uncreated.set(id, this.#connection.runtime.monotonicMs());
    attached.stream.send(watch.createRequest(id));
  }

  #receive(attached: Attached, response: WatchResponse): void {
    if (this.#attached !== attached) return;
    attached.lastHeardMs = this.#connection.runtime.monotonicMs();
    attached.askedMs = undefined;
    let id = response.watchId;
    if (response.created) {
      // A refusal may come without the id; replies keep the order of the requests.
      if (!attached.uncreated.has(id)) id = attached.uncreated.keys().next().value ?? id;
      attached.uncreated.delete(id);
    }
    const watch = attached.watches.get(id);
    if (watch === undefined) return;
    if (response.canceled) {
      attached.watches.delete(id);
      this.#cancelled(attached, watch, response);
    } else if (response.created) {
      this.#backoff.reset();
      this.#doubted.delete(watch);
      watch.created(response.revision);
    } else if (response.events.length > 0) watch.deliver(response.events);
    else watch.progress(response.revision);
  }

  #cancelled(attached: Attached, watch: Etcd3Watch, response: WatchResponse): void {
    if (response.compactRevision !== 0) {
      this.#watches.delete(watch);
      watch.compacted(response.compactRevision);
      return;
    }
    const error = typedReason(response.cancelReason, 'the watch');
    if (error.code === 'unauthenticated' && this.#connection.staleToken(attached.site.credentials)) {
      this.#cut(attached, error);
    } else if (error.code === 'permission-denied') this.#checkPermission(attached, watch, error);
    else if (error.code === 'unavailable') this.#cut(attached, error);
    else this.#fail(watch, error);
  }

  #checkPermission(attached: Attached, watch: Etcd3Watch, denied: QuorateError): void {
    const { key, rangeEnd } = watch.request;
    const request = { key, ...(rangeEnd === undefined ? {} : { rangeEnd }), countOnly: true };
    const manner = { kind: 'read', doing: 'checking the permission to watch' } as const;
    this.#connection.call(methods.range, request, manner, {}).then(
      () => {
        const again = this.#doubted.has(watch);
        if (again || !this.#connection.staleToken(attached.site.credentials)) {
          this.#fail(watch, denied);
          return;
        }
        this.#doubted.add(watch);
        this.#cut(attached, denied);
      },
      (error: unknown) => {
        if (error instanceof QuorateError && error.code === 'permission-denied') this.#fail(watch, denied);
        else this.#cut(attached, error instanceof Error ? error : denied);
      },
    );
  }

  #fail(watch: Etcd3Watch, error: QuorateError): void {
    if (!this.#watches.delete(watch)) return;
    this.parked(watch);
    watch.fail(error);
  }

  #failAll(error: QuorateError): void {
    for (const watch of [...this.#watches]) this.#fail(watch, error);
  }

  #cut(attached: Attached, error: Error): void {
    if (this.#attached !== attached) return;
    this.#detach()?.stream.cancel();
    this.#interrupt(error);
  }

  #interrupt(error: Error): void {
    for (const watch of this.#watches) watch.interrupted(error);
    if (this.#watches.size === 0 || this.#closed) return;
    this.#retry ??= this.#connection.runtime.setTimer(this.#backoff.nextMs(), () => {
      this.#retry = undefined;
      this.#open();
    });
  }

  #detach(): Attached | undefined {
    const attached = this.#attached;
    this.#attached = undefined;
    this.#look?.cancel();
    this.#look = undefined;
    return attached;
  }

  #keepLooking(): void {
    this.#look = this.#connection.runtime.setTimer(
      lookMs,
      () => {
        const attached = this.#attached;
        if (attached === undefined) return;
        this.#lookAt(attached, this.#connection.runtime.monotonicMs());
        if (this.#attached === attached) this.#keepLooking();
      },
      { background: true },
    );
  }

  #lookAt(attached: Attached, nowMs: number): void {
    const { createMs, silenceMs, answerMs } = this.#times;
    const [oldestMs] = attached.uncreated.values();
    if (oldestMs !== undefined && nowMs - oldestMs > createMs) {
      this.#silent(attached, `a watch was not confirmed within ${createMs} ms`);
    } else if (attached.askedMs !== undefined) {
      if (nowMs - attached.askedMs > answerMs) {
        this.#silent(attached, `no word from the server for ${Math.round(nowMs - attached.lastHeardMs)} ms`);
      }
    } else if (attached.watches.size > 0 && nowMs - attached.lastHeardMs > silenceMs) {
      attached.askedMs = nowMs;
      attached.stream.send('progress');
    }
  }

  #silent(attached: Attached, why: string): void {
    this.#connection.pool.report(attached.site.endpoint);
    this.#cut(attached, new QuorateError('unavailable', why));
  }
}

/** Failures that no other attempt mends. */
function isFinal(error: QuorateError): boolean {
  return error.code === 'unauthenticated' || error.code === 'closed';
}
