import type { ItemId } from '../keys.js';
import type { Stamp, TimerAnswer, TimerRead } from './messages.js';

type Answer = Extract<TimerAnswer, { type: 'fresh' }>;

/**
 * The delays that nobody has stamped yet, as far as memory should hold them: the watch brings new ones, and what was there before
 * this dispatcher, or came too fast, is read. A stamp deletes the key, so what is read is what is left.
 */
export class FreshTimers {
  readonly #most: number;
  readonly #fresh = new Map<ItemId, Stamp>();
  /** From here on there may be some in the store that are not held here; undefined: all are. */
  #unread: ItemId | undefined = '';
  #isReading = false;
  /** Learned during a read. */
  #ahead: Stamp[] = [];

  constructor(most: number) {
    this.#most = most;
  }

  get isEmpty(): boolean {
    return this.#fresh.size === 0 && this.#unread === undefined;
  }

  learned(stamp: Stamp): void {
    if (this.#fresh.has(stamp.id)) return;
    if (this.#isReading) this.#ahead.push(stamp);
    else if (this.#unread === undefined && this.#fresh.size < this.#most) this.#fresh.set(stamp.id, stamp);
    else this.#leave(stamp.id);
  }

  /** Cancelled, which deletes the key. */
  gone(id: ItemId): void {
    this.#fresh.delete(id);
  }

  next(): TimerRead | undefined {
    if (this.#unread === undefined || this.#isReading || this.#fresh.size > 0) return undefined;
    this.#isReading = true;
    return { type: 'fresh', from: this.#unread, limit: this.#most };
  }

  /** `queueMs`: the time from which delays that were read now are counted. */
  received({ items, next }: Answer, queueMs: number): void {
    this.#isReading = false;
    this.#unread = next;
    for (const { id, create, delayMs } of items) {
      this.#fresh.set(id, { id, create, dueMs: Math.ceil(queueMs + delayMs) });
    }
    for (const stamp of this.#ahead.splice(0)) this.learned(stamp);
  }

  /** The next ones to stamp, which stay until they are {@link settled}. */
  plan(most: number): readonly Stamp[] {
    const stamps: Stamp[] = [];
    for (const stamp of this.#fresh.values()) {
      if (stamps.length >= most) break;
      stamps.push(stamp);
    }
    return stamps;
  }

  settled(stamps: readonly Stamp[]): void {
    for (const { id } of stamps) this.#fresh.delete(id);
  }

  #leave(id: ItemId): void {
    if (this.#unread === undefined || id < this.#unread) this.#unread = id;
  }
}
