import type { Entry } from './progress.js';

/** Messages that are to be handled: those of one key one after the other, the rest as they come. */
export class WorkQueue {
  readonly #ready: Entry[] = [];
  /** Of each key that is being handled, or waits for its next attempt: what comes behind. */
  readonly #behind = new Map<string, Entry[]>();

  get isEmpty(): boolean {
    return this.#ready.length === 0;
  }

  add(entry: Entry): void {
    const { key } = entry.message;
    const behind = key === undefined ? undefined : this.#behind.get(key);
    if (behind !== undefined) {
      behind.push(entry);
      return;
    }
    if (key !== undefined) this.#behind.set(key, []);
    this.#ready.push(entry);
  }

  /** The next one that may begin. Its key is taken until {@link finish}. */
  take(): Entry | undefined {
    return this.#ready.shift();
  }

  /** It is to be tried again, before all others of its key. */
  again(entry: Entry): void {
    this.#ready.unshift(entry);
  }

  finish({ message: { key } }: Entry): void {
    if (key === undefined) return;
    const next = this.#behind.get(key)?.shift();
    if (next === undefined) this.#behind.delete(key);
    else this.#ready.push(next);
  }
}
