import type { Engine, EngineWatch, EngineWatchItem } from '../engine/index.js';
import { invalidArgument, QuorateError } from '../errors.js';
import type { Watch, WatchItem, WatchRequest } from '../store/index.js';
import { copyEvent } from './copy.js';

/** A watch on the engine of this process: it is never cut, and holds items until its reader takes them. */
export class MemoryWatch implements Watch {
  readonly #request: WatchRequest;
  readonly #onClose: () => void;
  #items: WatchItem[] = [];
  #engineWatch: EngineWatch | undefined;
  #failure: QuorateError | undefined;
  #ended = false;
  #read = false;
  #wake: (() => void) | undefined;

  constructor(request: WatchRequest, onClose: () => void) {
    this.#request = request;
    this.#onClose = onClose;
  }

  /** Registers the watch. */
  open(engine: Engine): void {
    if (this.#ended) return;
    try {
      this.#engineWatch = engine.watch(this.#request, (item) => this.#take(item));
    } catch (error) {
      this.fail(error instanceof QuorateError ? error : new QuorateError('internal', String(error)));
    }
    if (this.#ended) this.#engineWatch?.close();
  }

  fail(error: QuorateError): void {
    this.#failure = error;
    this.#end();
  }

  close(): void {
    this.#items = [];
    this.#failure = undefined;
    this.#end();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<WatchItem, void, undefined> {
    if (this.#read) throw invalidArgument('a second reader of a watch', 'one reader; open another watch');
    this.#read = true;
    try {
      while (true) {
        const item = this.#items.shift();
        if (item !== undefined) yield item;
        else if (this.#failure !== undefined) throw this.#failure;
        else if (this.#ended) return;
        else
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
      }
    } finally {
      this.close();
    }
  }

  #take(item: EngineWatchItem): void {
    if (this.#ended) return;
    this.#items.push(
      item.type === 'events'
        ? { type: 'events', revision: item.revision, events: item.events.map(copyEvent) }
        : item,
    );
    if (item.type === 'compacted') this.#end();
    this.#wake?.();
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#engineWatch?.close();
    this.#onClose();
    this.#wake?.();
  }
}
