import type { Key, LeaseId } from '../store/index.js';

export interface Lease {
  readonly id: LeaseId;
  readonly ttlSeconds: number;
  readonly expiryMs: number;
  readonly keys: ReadonlySet<Key>;
}

interface Entry extends Lease {
  expiryMs: number;
  readonly keys: Set<Key>;
}

/** A lease in the queue of expiries, by an expiry that may have been moved up since. */
interface Due {
  readonly entry: Entry;
  dueMs: number;
}

/**
 * Leases, their keys and their deadlines. The queue of deadlines is a binary heap with one place per lease:
 * keep-alives only move a deadline up, so a place is corrected when it comes to the top.
 */
export class LeaseTable {
  readonly #leases = new Map<LeaseId, Entry>();
  readonly #owners = new Map<Key, Entry>();
  #heap: Due[] = [];

  has(id: LeaseId): boolean {
    return this.#leases.has(id);
  }

  get(id: LeaseId): Lease | undefined {
    return this.#leases.get(id);
  }

  /** By deadline, then by id. */
  all(): readonly Lease[] {
    return [...this.#leases.values()].sort(byExpiry);
  }

  add(id: LeaseId, ttlSeconds: number, expiryMs: number): void {
    const entry: Entry = { id, ttlSeconds, expiryMs, keys: new Set() };
    this.#leases.set(id, entry);
    this.#heap.push({ entry, dueMs: expiryMs });
    this.#rise(this.#heap.length - 1);
  }

  /** Restarts the TTL. Returns false if the lease is not there. */
  renew(id: LeaseId, nowMs: number): boolean {
    const entry = this.#leases.get(id);
    if (entry === undefined) return false;
    entry.expiryMs = Math.max(entry.expiryMs, nowMs + entry.ttlSeconds * 1_000);
    return true;
  }

  /** Restarts the TTL of every lease. */
  restart(nowMs: number): void {
    for (const id of this.#leases.keys()) this.renew(id, nowMs);
  }

  /** The lease is gone; its keys are not its any more. */
  remove(id: LeaseId): void {
    const entry = this.#leases.get(id);
    if (entry === undefined) return;
    this.#leases.delete(id);
    for (const key of entry.keys) this.#owners.delete(key);
  }

  /** The key now belongs to this lease, or to none for `'0'`. */
  assign(key: Key, id: LeaseId): void {
    const owner = this.#owners.get(key);
    if (owner !== undefined) {
      owner.keys.delete(key);
      this.#owners.delete(key);
    }
    const entry = id === '0' ? undefined : this.#leases.get(id);
    if (entry === undefined) return;
    entry.keys.add(key);
    this.#owners.set(key, entry);
  }

  /** Leases whose deadline has come, by deadline, then by id. */
  expired(nowMs: number): readonly Lease[] {
    const due: Entry[] = [];
    for (let top = this.#top(); top !== undefined && top.dueMs <= nowMs; top = this.#top()) {
      due.push(top.entry);
      this.#pop();
    }
    return due.sort(byExpiry);
  }

  nextExpiryMs(): number | undefined {
    return this.#top()?.dueMs;
  }

  /** The place with the earliest deadline, after places of leases that were renewed or ended are put right. */
  #top(): Due | undefined {
    for (;;) {
      const top = this.#heap[0];
      if (top === undefined) return undefined;
      if (this.#leases.get(top.entry.id) !== top.entry) {
        this.#pop();
      } else if (top.dueMs < top.entry.expiryMs) {
        top.dueMs = top.entry.expiryMs;
        this.#sink();
      } else {
        return top;
      }
    }
  }

  #pop(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    this.#heap[0] = last;
    this.#sink();
  }

  #rise(from: number): void {
    const item = this.#heap[from];
    let at = from;
    while (item !== undefined && at > 0) {
      const above = (at - 1) >> 1;
      const parent = this.#heap[above];
      if (parent === undefined || parent.dueMs <= item.dueMs) return;
      this.#heap[at] = parent;
      this.#heap[above] = item;
      at = above;
    }
  }

  #sink(): void {
    const item = this.#heap[0];
    let at = 0;
    while (item !== undefined) {
      let below = 2 * at + 1;
      const left = this.#heap[below];
      const right = this.#heap[below + 1];
      if (left !== undefined && right !== undefined && right.dueMs < left.dueMs) below += 1;
      const child = this.#heap[below];
      if (child === undefined || child.dueMs >= item.dueMs) return;
      this.#heap[at] = child;
      this.#heap[below] = item;
      at = below;
    }
  }
}

function byExpiry(a: Lease, b: Lease): number {
  return a.expiryMs - b.expiryMs || (BigInt(a.id) < BigInt(b.id) ? -1 : 1);
}
