/** Who is in a group and who owns what, as one member sees it: a read, then a watch, and a read again after a cut. */
import { Listeners } from '../../../runtime/index.js';
import type { Client } from '../../../session/index.js';
import { inRange, type KeyEvent, type KeyValue, textOf } from '../../../store/index.js';
import type { HubItem, Subscription } from '../../../watch/index.js';
import type { GroupKeys } from '../keys.js';
import { retrying } from '../retrying.js';

const readTimeoutMs = 10_000;

export interface Owner {
  readonly member: string;
  /** The create revision of the owner's key. */
  readonly term: number;
}

export interface GroupState {
  /** Their ids, and the create revisions of their keys. */
  readonly members: Map<string, number>;
  readonly owners: Map<number, Owner>;
  /** The revision at which somebody moved all cursors last. */
  movedAt: number;
  /** The same of single partitions. */
  readonly movedOnesAt: Map<number, number>;
}

/** The revision at which somebody moved the cursor of this partition last. */
export function movedAt(state: GroupState, partition: number): number {
  return Math.max(state.movedAt, state.movedOnesAt.get(partition) ?? 0);
}

/** What keys of the group say. Malformed ones are left out. */
export function applyTo(state: GroupState, keys: GroupKeys, kv: KeyValue, isThere: boolean): void {
  if (inRange(keys.members, kv.key)) {
    const id = keys.memberIn(kv.key);
    if (isThere) state.members.set(id, kv.createRevision);
    else state.members.delete(id);
  } else if (inRange(keys.owners, kv.key)) {
    const partition = keys.partitionIn(kv.key);
    if (partition === undefined) return;
    if (isThere) state.owners.set(partition, { member: textOf(kv.value), term: kv.createRevision });
    else state.owners.delete(partition);
  } else if (inRange(keys.movedOnes, kv.key)) {
    const partition = keys.movedIn(kv.key);
    if (partition !== undefined) state.movedOnesAt.set(partition, kv.modRevision);
  } else if (kv.key === keys.moved) state.movedAt = kv.modRevision;
}

export function emptyState(): GroupState {
  return { members: new Map(), owners: new Map(), movedAt: 0, movedOnesAt: new Map() };
}

export class GroupView {
  readonly #client: Client;
  readonly #keys: GroupKeys;
  readonly #changes = new Listeners<void>();
  readonly #subscription: Subscription;
  #standing = new AbortController();
  #state: GroupState | undefined;
  #asOf = 0;
  /** What was told while the state was being read. */
  #early: KeyEvent[] = [];
  #failure: unknown;

  constructor(client: Client, keys: GroupKeys) {
    this.#client = client;
    this.#keys = keys;
    this.#subscription = client.hub.subscribe(keys.watched, (item) => this.#receive(item));
  }

  /** Undefined while nobody knows. Throws if nobody will. */
  get state(): GroupState | undefined {
    if (this.#failure !== undefined) throw this.#failure;
    return this.#state;
  }

  /** Runs at each change. Returns its removal. */
  onChange(listener: () => void): () => void {
    return this.#changes.add(listener);
  }

  close(): void {
    this.#standing.abort();
    this.#subscription.close();
  }

  #receive(item: HubItem): void {
    if (item.type === 'opened') {
      // A watch that others had open greets with the revision it has come to.
      this.#forget();
      void this.#read();
    } else if (item.type === 'events') {
      if (this.#state === undefined) this.#early.push(...item.events);
      else this.#apply(item.events);
    } else if (item.type === 'interrupted') this.#forget();
    else this.#fail(item.error);
  }

  #forget(): void {
    this.#standing.abort();
    this.#standing = new AbortController();
    this.#state = undefined;
    this.#early = [];
  }

  async #read(): Promise<void> {
    const { signal } = this.#standing;
    try {
      const read = () => this.#client.store.range(this.#keys.watched, { timeoutMs: readTimeoutMs, signal });
      const { kvs, revision } = await retrying(this.#client, signal, read);
      if (signal.aborted) return;
      const state = emptyState();
      for (const kv of kvs) applyTo(state, this.#keys, kv, true);
      this.#state = state;
      this.#asOf = revision;
      this.#apply(this.#early.splice(0));
    } catch (error) {
      if (!signal.aborted) this.#fail(error);
    }
  }

  #apply(events: readonly KeyEvent[]): void {
    const state = this.#state;
    if (state === undefined) return;
    for (const { type, kv } of events) {
      if (kv.modRevision > this.#asOf) applyTo(state, this.#keys, kv, type === 'put');
    }
    this.#changes.emit();
  }

  #fail(error: unknown): void {
    this.#failure = error;
    this.#changes.emit();
  }
}
