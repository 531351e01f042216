import { setTimeout as delay } from 'node:timers/promises';
import type { KeyEvent, Watch, WatchItem } from '../../src/store/index.js';

type Kind = WatchItem['type'];
type ItemOf<K extends Kind> = Extract<WatchItem, { type: K }>;

/** Reads a watch to its end in the background, and waits for what it said. */
export class WatchReader {
  readonly items: WatchItem[] = [];
  failure: unknown;
  ended = false;
  readonly #watch: Watch;

  constructor(watch: Watch) {
    this.#watch = watch;
    void this.#read();
  }

  get events(): KeyEvent[] {
    return this.items.flatMap((item) => (item.type === 'events' ? item.events : []));
  }

  all<K extends Kind>(kind: K): ItemOf<K>[] {
    return this.items.filter((item): item is ItemOf<K> => item.type === kind);
  }

  /** The n-th item of a kind, once it is there. */
  async wait<K extends Kind>(kind: K, count = 1, timeoutMs = 15_000): Promise<ItemOf<K>> {
    await this.until(() => this.all(kind).length >= count, `${count} x ${kind}`, timeoutMs);
    const item = this.all(kind)[count - 1];
    if (item === undefined) throw new Error('counted, and gone');
    return item;
  }

  async waitEvents(count: number, timeoutMs = 15_000): Promise<KeyEvent[]> {
    await this.until(() => this.events.length >= count, `${count} events`, timeoutMs);
    return this.events;
  }

  async waitEnd(timeoutMs = 15_000): Promise<void> {
    await this.until(() => this.ended, 'its end', timeoutMs);
  }

  async until(condition: () => boolean, what: string, timeoutMs = 15_000): Promise<void> {
    const end = Date.now() + timeoutMs;
    while (!condition()) {
      if (Date.now() > end) {
        const seen = this.items.map(({ type }) => type).slice(-10);
        throw new Error(
          `the watch did not come to ${what}; ${this.events.length} events, last items: ${seen}`,
        );
      }
      await delay(5);
    }
  }

  close(): void {
    this.#watch.close();
  }

  async #read(): Promise<void> {
    try {
      for await (const item of this.#watch) this.items.push(item);
    } catch (error) {
      this.failure = error;
    }
    this.ended = true;
  }
}
