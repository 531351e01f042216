import { invalidArgument, type QuorateError } from '../errors.js';
import type { WatchItem } from './store.js';

/** What who fills the items is told of their reader. */
export interface WatchItemsHooks {
  /** The reader takes this item. */
  taken?(item: WatchItem): void;
  /** The reader has left; called once, unless the items had ended. */
  closed(): void;
}

/** The items of a watch between the store that delivers them and their one reader. */
export class WatchItems implements AsyncIterable<WatchItem> {
  readonly #hooks: WatchItemsHooks;
  #items: WatchItem[] = [];
  #taken = 0;
  #failure: QuorateError | undefined;
  #ended = false;
  #read = false;
  #wake: (() => void) | undefined;

  constructor(hooks: WatchItemsHooks) {
    this.#hooks = hooks;
  }

  /** Nothing more is taken in. What is unread may still be read. */
  get ended(): boolean {
    return this.#ended;
  }

  push(item: WatchItem): void {
    if (this.#ended) return;
    this.#items.push(item);
    this.#wake?.();
  }

  /** The reader gets what it has not read yet, and then no more. */
  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  /** The same, and then this error. */
  fail(error: QuorateError): void {
    if (this.#ended) return;
    this.#failure = error;
    this.end();
  }

  /** The reader leaves. Idempotent. */
  close(): void {
    this.#items = [];
    this.#taken = 0;
    this.#failure = undefined;
    if (this.#ended) return;
    this.end();
    this.#hooks.closed();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<WatchItem, void, undefined> {
    if (this.#read) throw invalidArgument('a second reader of a watch', 'one reader; open another watch');
    this.#read = true;
    try {
      while (true) {
        const item = this.#take();
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

  /** An array's own shift is slow where thousands wait. */
  #take(): WatchItem | undefined {
    const item = this.#items[this.#taken];
    if (item === undefined) return undefined;
    this.#taken += 1;
    this.#hooks.taken?.(item);
    if (this.#taken === this.#items.length || this.#taken >= 1_024) {
      this.#items = this.#items.slice(this.#taken);
      this.#taken = 0;
    }
    return item;
  }
}
