import type { Engine, EngineWatch, EngineWatchItem } from '../engine/index.js';
import { isQuorateError, QuorateError } from '../errors.js';
import { type Watch, type WatchItem, WatchItems, type WatchRequest } from '../store/index.js';
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
      this.#engineWatch = engine.watch(this.#request, (item) => this.#take(item));
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

  #take(item: EngineWatchItem): void {
    this.#items.push(
      item.type === 'events'
        ? { type: 'events', revision: item.revision, events: item.events.map(copyEvent) }
        : item,
    );
    if (item.type !== 'compacted') return;
    this.#items.end();
    this.#detach();
  }

  #detach(): void {
    this.#engineWatch?.close();
    this.#onClose();
  }
}
