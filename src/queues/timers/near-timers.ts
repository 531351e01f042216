import type { ItemId } from '../keys.js';
import type { Firing, Timer, TimerAnswer, TimerRead } from './messages.js';

type Answer = Extract<TimerAnswer, { type: 'values' }>;

/** Values that are read, and put, together. */
const mostTogether = 60;
const fewestAtFirst = 8;
/** A request of etcd takes 1.5 MiB, and a value that is larger than this goes alone. */
const bytesTogether = 1_000_000;

interface Near extends Timer {
  /** Absent while it is not read. */
  found?: { readonly create: number; readonly value: Uint8Array };
}

/**
 * The timers that are due or about to be, and the values of their items, which are read shortly before: what waits for days
 * needs no memory.
 */
export class NearTimers {
  readonly #near = new Map<ItemId, Near>();
  /** Of items that were found to be gone. */
  readonly #drops: Timer[] = [];
  #isReading = false;
  #together = fewestAtFirst;

  /** For one that is due by then: what is due later keeps none out that is due now. */
  hasRoom(byMs: number): boolean {
    let count = 0;
    for (const { dueMs } of this.#near.values()) if (dueMs <= byMs) count += 1;
    return count < this.#together * 2;
  }

  get isEmpty(): boolean {
    return this.#near.size === 0 && this.#drops.length === 0;
  }

  /** When the first of those that can fire is due. */
  get nextDueMs(): number | undefined {
    let first: number | undefined;
    for (const { found, dueMs } of this.#near.values()) {
      if (found !== undefined && (first === undefined || dueMs < first)) first = dueMs;
    }
    return first;
  }

  add(timer: Timer): void {
    this.#near.set(timer.id, { ...timer });
  }

  /** Its item is gone: only the timer is left. */
  drop(timer: Timer): void {
    this.#drops.push(timer);
  }

  next(): TimerRead | undefined {
    if (this.#isReading) return undefined;
    const unread = [...this.#near.values()].filter(({ found }) => found === undefined);
    if (unread.length === 0) return undefined;
    unread.sort((a, b) => a.dueMs - b.dueMs);
    this.#isReading = true;
    return { type: 'values', ids: unread.slice(0, this.#together).map(({ id }) => id) };
  }

  received({ ids, found }: Answer): void {
    this.#isReading = false;
    let bytes = 0;
    for (const id of ids) {
      const near = this.#near.get(id);
      const item = found.get(id);
      bytes += item?.value.length ?? 0;
      if (near === undefined) continue;
      if (item !== undefined) near.found = item;
      else {
        this.#near.delete(id);
        this.drop(near);
      }
    }
    if (found.size === 0) return;
    const fitting = Math.floor((bytesTogether * found.size) / Math.max(bytes, 1));
    this.#together = Math.min(mostTogether, Math.max(1, fitting));
  }

  /** Those that are due, which stay until they are {@link settled}. */
  firings(queueMs: number): readonly Firing[] {
    const firings: Firing[] = [];
    let bytes = 0;
    for (const { id, dueMs, found } of this.#near.values()) {
      if (found === undefined || dueMs > queueMs) continue;
      bytes += found.value.length;
      if (firings.length >= mostTogether || (firings.length > 0 && bytes > bytesTogether)) break;
      firings.push({ id, dueMs, ...found });
    }
    return firings;
  }

  drops(): readonly Timer[] {
    return this.#drops.slice(0, mostTogether);
  }

  settled(firings: readonly Firing[], drops: readonly Timer[]): void {
    for (const { id } of firings) this.#near.delete(id);
    this.#drops.splice(0, drops.length);
  }
}

/** Whether a write of these has no room for anything else. */
export function isFull(firings: readonly Firing[]): boolean {
  return firings.reduce((sum, { value }) => sum + value.length, 0) > bytesTogether;
}
