import type { QuorateError } from '../errors.js';
import {
  type KeyEvent,
  type Watch,
  type WatchItem,
  WatchItems,
  type WatchRequest,
  watchStart,
} from '../store/index.js';
import { checkWatch, type WatchMessage } from './encode.js';

/** What a watch tells the stream that serves it. */
export interface WatchOwner {
  closed(watch: Etcd3Watch): void;
  /** The reader lags far behind: serve this watch no longer. */
  parked(watch: Etcd3Watch): void;
  /** The reader has caught up: serve it again, from its next revision. */
  unparked(watch: Etcd3Watch): void;
}

/** Bytes of unread events, with what the objects around them weigh, above which a watch is parked. */
export const parkingBytes = 16 * 1024 * 1024;
const eventOverheadBytes = 400;

/**
 * One watch: where it stands in history, and its items until the reader takes them.
 *
 * The position is the revision after the last *event*, never after a header's: a batch of old events carries the
 * store's present revision in its header (B1). A header counts only where the watch was asked for from now on, and
 * in a progress notice of its own.
 *
 * A reader that lags fills no memory without end: above a limit the server is told to stop, and when the reader has
 * taken all, the watch goes on from its next revision. The reader sees nothing of it, unless that history has been
 * compacted meanwhile.
 */
export class Etcd3Watch implements Watch {
  readonly #request: WatchRequest;
  readonly #owner: WatchOwner;
  /** The next revision to deliver; undefined: from now. */
  #next: number | undefined;
  readonly #items: WatchItems;
  #interrupted = false;
  #opened = false;
  /** The highest revision that was delivered, or reported as passed. */
  #delivered = 0;
  #unreadBytes = 0;
  #parked = false;

  constructor(request: WatchRequest, owner: WatchOwner) {
    checkWatch(request);
    this.#request = request;
    this.#owner = owner;
    this.#items = new WatchItems({
      taken: (item) => this.#taken(item),
      closed: () => owner.closed(this),
    });
    const from = request.fromRevision ?? 0;
    this.#next = from === 0 ? undefined : from;
  }

  get request(): WatchRequest {
    return this.#request;
  }

  get parked(): boolean {
    return this.#parked;
  }

  /** The request that (re-)creates this watch on a stream. */
  createRequest(id: number): WatchMessage {
    const startRevision = this.#next === undefined ? 0 : watchStart(this.#next);
    return { create: this.#request, id, startRevision };
  }

  created(headerRevision: number): void {
    // A member that lags may stand before what another has delivered.
    const revision = Math.max(headerRevision, this.#delivered);
    this.#next ??= revision + 1;
    if (this.#opened && !this.#interrupted) return; // Back from the parking place.
    this.#opened = true;
    this.#interrupted = false;
    this.#items.push({ type: 'opened', revision });
  }

  deliver(received: readonly KeyEvent[]): void {
    const next = this.#next ?? 0;
    const events = received.filter(({ kv }) => kv.modRevision >= next);
    const last = events.at(-1);
    if (last === undefined) return;
    this.#delivered = last.kv.modRevision;
    this.#next = this.#delivered + 1;
    this.#items.push({ type: 'events', revision: last.kv.modRevision, events });
    this.#unreadBytes += sizeOf(events);
    if (this.#unreadBytes <= parkingBytes || this.#parked || this.#items.ended) return;
    this.#parked = true;
    this.#owner.parked(this);
  }

  progress(headerRevision: number): void {
    this.#delivered = Math.max(this.#delivered, headerRevision);
    this.#next = Math.max(this.#next ?? 0, headerRevision + 1);
    if (this.#request.progress) this.#items.push({ type: 'progress', revision: headerRevision });
  }

  /** Once per outage, however many attempts to reconnect fail. A parked watch has no connection to lose. */
  interrupted(error: Error): void {
    if (this.#parked) return;
    if (this.#opened && this.#request.resume === 'now') this.#next = undefined;
    if (this.#interrupted) return;
    this.#interrupted = true;
    this.#items.push({ type: 'interrupted', error });
  }

  compacted(compactRevision: number): void {
    this.#items.push({ type: 'compacted', fromRevision: this.#next ?? 0, compactRevision });
    this.#items.end();
  }

  fail(error: QuorateError): void {
    this.#items.fail(error);
  }

  close(): void {
    this.#items.close();
  }

  [Symbol.asyncIterator](): AsyncIterator<WatchItem> {
    return this.#items[Symbol.asyncIterator]();
  }

  #taken(item: WatchItem): void {
    if (item.type === 'events') this.#unreadBytes -= sizeOf(item.events);
    if (!this.#parked || this.#unreadBytes > 0) return;
    this.#parked = false;
    if (!this.#items.ended) this.#owner.unparked(this);
  }
}

function sizeOf(events: readonly KeyEvent[]): number {
  let bytes = 0;
  for (const { kv, prevKv } of events) {
    bytes += eventOverheadBytes + kv.key.length + kv.value.length + (prevKv?.value.length ?? 0);
  }
  return bytes;
}
