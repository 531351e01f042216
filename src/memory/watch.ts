import type { Engine, EngineWatch, EngineWatchItem } from '../engine/index.js';
import { isQuorateError, QuorateError } from '../errors.js';
import { type Watch, type WatchItem, WatchItems, type WatchRequest, watchStart } from '../store/index.js';
import { copyEvent } from './copy.js';

/** A watch on the engine of this process: it is never cut, and holds items until its reader takes them. */
export class MemoryWatch implements Watch {
  readonly #request: WatchRequest;
  readonly #onClose: () => void;
  readonly #items = new WatchItems({ closed: () => this.#detach() });
  #engineWatch: EngineWatch | undefined;

  constructor(request: WatchRequest, onClose: () => void) {
    this.#request = request;
    this.#onClose = onClose;
  }

  /** Registers the watch. */
  open(engine: Engine): void {
    if (this.#items.ended) return;
    try {
      const from = this.#fromRevision;
      const asked = from === 0 ? this.#request : { ...this.#request, fromRevision: watchStart(from) };
      this.#engineWatch = engine.watch(asked, (item) => this.#take(item));
    } catch (error) {
      this.fail(isQuorateError(error) ? error : new QuorateError('internal', String(error)));
    }
    if (this.#items.ended) this.#engineWatch?.close();
  }

  fail(error: QuorateError): void {
    this.#items.fail(error);
    this.#detach();
  }

  close(): void {
    this.#items.close();
  }

  [Symbol.asyncIterator](): AsyncIterator<WatchItem> {
    return this.#items[Symbol.asyncIterator]();
  }

  get #fromRevision(): number {
    return this.#request.fromRevision ?? 0;
  }

  #take(item: EngineWatchItem): void {
    if (item.type === 'events') {
      const events = item.events.filter(({ kv }) => kv.modRevision >= this.#fromRevision);
      if (events.length === 0) return;
      this.#items.push({ type: 'events', revision: item.revision, events: events.map(copyEvent) });
      return;
    }
    this.#items.push(item.type === 'compacted' ? { ...item, fromRevision: this.#fromRevision } : item);
    if (item.type !== 'compacted') return;
    this.#items.end();
    this.#detach();
  }

  #detach(): void {
    this.#engineWatch?.close();
    this.#onClose();
  }
}
