import { type ItemId, levelOf, placeOf, revisionOf } from '../../keys.js';
import { fewestPerPage, itemsPerPage, itemsThatFit } from '../../reading/page-size.js';
import type { StoredItem, WindowRead } from '../messages.js';

const firstSpan = 4_096;
const widestSpan = 2 ** 40;

/** A window that was read but that something could still be created in. */
export interface PendingWindow {
  readonly to: ItemId;
  readonly revision: number;
  readonly items: readonly StoredItem[];
}

/**
 * What lies in the store and not in the plan: everything from `cut` on, or nothing (*tail*). Windows have an explicit
 * end, counted in revisions, because a limit alone does not keep etcd from walking to the end of the range, deleted
 * keys included; the span grows and shrinks with what it finds.
 */
export class WindowReader {
  #cut: ItemId | undefined;
  #tail: { readonly start: ItemId; readonly revision: number };
  #reading: WindowRead | undefined;
  /** What is being read is not wanted any more. */
  #isStale = false;
  #pending: PendingWindow | undefined;
  /** Created while the rest of the queue is being read. */
  #ahead: StoredItem[] = [];
  /** Put below the gate by this dispatcher since the current window was asked for. */
  #fired: StoredItem[] = [];
  /** Deleted since the current window was asked for. */
  #deleted = new Set<ItemId>();
  #revision = 0;
  #span = firstSpan;
  readonly #mostItems: number;
  #limit: number;
  #bound: ItemId | undefined;

  /** `mostItems`: in one window. */
  constructor(cut: ItemId, mostItems: number) {
    this.#cut = cut;
    this.#tail = { start: cut, revision: 0 };
    this.#mostItems = Math.min(itemsPerPage, Math.max(1, mostItems));
    // How large they are is not known before.
    this.#limit = Math.min(fewestPerPage, this.#mostItems);
  }

  /** The first item that is not in the plan; undefined in tail mode. */
  get cut(): ItemId | undefined {
    return this.#cut;
  }

  get isBehind(): boolean {
    return this.#cut !== undefined;
  }

  get pending(): PendingWindow | undefined {
    return this.#pending;
  }

  /** How many items a window may bring that is being read, or waits for its gate. */
  get coming(): number {
    return this.#reading?.limit ?? this.#pending?.items.length ?? 0;
  }

  /** Of the newest read. */
  get revision(): number {
    return this.#revision;
  }

  /** Something is left that may be read. */
  get hasMore(): boolean {
    return this.#cut !== undefined && (this.#bound === undefined || this.#cut < this.#bound);
  }

  /** Nothing is read from here on; undefined: everything may be. */
  setBound(bound: ItemId | undefined): void {
    this.#bound = bound;
  }

  /** From here on items are left in the store, also those of a window that was read or is on its way. */
  start(cut: ItemId): void {
    this.#cut = cut;
    this.#pending = undefined;
    this.#isStale = this.#reading !== undefined;
  }

  /** True if this new item belongs into the plan now. */
  admits(item: StoredItem): boolean {
    const cut = this.#cut;
    if (cut === undefined) return item.id >= this.#tail.start && item.create > this.#tail.revision;
    // Below the cut everything was read and is closed: what is told now has been known, or is gone.
    if (item.id >= cut && this.#reading !== undefined && this.#reading.to === undefined)
      this.#ahead.push(item);
    return false;
  }

  /** The same of one that this dispatcher has put itself, where the gate keeps others out. What the store is read for will be read. */
  admitsFired(item: StoredItem): boolean {
    if (this.#cut === undefined || item.id < this.#cut) return true;
    if (this.#reading !== undefined || this.#pending !== undefined) this.#fired.push(item);
    return false;
  }

  gone(id: ItemId): void {
    if (this.#reading !== undefined || this.#pending !== undefined) this.#deleted.add(id);
  }

  next(latestRevision: number): WindowRead | undefined {
    const from = this.#cut;
    if (from === undefined || this.#reading !== undefined || this.#pending !== undefined) return undefined;
    if (!this.hasMore) return undefined;
    const end = revisionOf(from) + this.#span;
    const to = end < latestRevision ? placeOf(end, levelOf(from)) : undefined;
    const bound = this.#bound;
    const isBeyond = bound !== undefined && (to === undefined || to > bound);
    this.#reading = { from, to: isBeyond ? bound : to, limit: this.#limit };
    this.#ahead = [];
    this.#fired = [];
    this.#deleted.clear();
    return this.#reading;
  }

  /** Takes the answer in. Returns the items that may be planned at once: none of them if the gate must move first. */
  received(
    answer: {
      readonly read: WindowRead;
      readonly revision: number;
      readonly items: readonly StoredItem[];
      readonly next: ItemId | undefined;
      readonly bytes: number;
    },
    gate: ItemId,
  ): readonly StoredItem[] {
    const { read, revision, items, next } = answer;
    this.#reading = undefined;
    if (this.#isStale) {
      this.#isStale = false;
      return [];
    }
    this.#revision = Math.max(this.#revision, revision);
    this.#adjust(items.length, answer.bytes, next !== undefined);
    const to = next ?? read.to;
    if (to === undefined) {
      this.#cut = undefined;
      this.#tail = { start: read.from, revision };
      return this.#remaining([...items, ...this.#ahead.filter((item) => item.create > revision)]);
    }
    if (to > gate) {
      this.#pending = { to, revision, items };
      return [];
    }
    this.#cut = to;
    return this.#remaining(items, to);
  }

  /** The pending window was closed by a move of the gate, or refused because it is out of date and must be read again. */
  closed(moved: boolean): readonly StoredItem[] {
    const pending = this.#pending;
    this.#pending = undefined;
    if (pending === undefined || !moved) return [];
    this.#cut = pending.to;
    return this.#remaining(pending.items, pending.to);
  }

  /** What a window up to `to`, or the end, holds now. */
  #remaining(items: readonly StoredItem[], to?: ItemId): readonly StoredItem[] {
    const fired = this.#fired.filter(({ id }) => to === undefined || id < to);
    return [...items, ...fired].filter((item) => !this.#deleted.has(item.id));
  }

  #adjust(count: number, bytes: number, more: boolean): void {
    if (more) this.#span = Math.max(1, Math.floor(this.#span / 2));
    else if (count * 2 < this.#limit) {
      this.#span = Math.min(widestSpan, this.#span * (count === 0 ? 16 : 2));
    }
    if (count === 0) return;
    this.#limit = itemsThatFit(count, bytes, this.#mostItems);
  }
}
