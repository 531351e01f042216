import { labelIn } from '../barriers/member-record.js';
import { type Key, prefixRange } from '../store/index.js';
import type { History } from './history.js';

/** One put of a member's key. */
export interface Arrival {
  readonly key: Key;
  /** Its revision. */
  readonly arrivedAt: number;
  /** The label of the client whose it is. */
  readonly label: string;
}

/** How many there were from a revision on. */
interface MembersState {
  readonly revision: number;
  readonly live: number;
  /** Members that had died, in all: their keys went, and nobody said that they left. */
  readonly died: number;
}

/** The members of a cyclic barrier, as the history has them. */
export class CyclicMembers {
  /** All arrivals, in their order. */
  readonly arrivals: readonly Arrival[];
  readonly #history: History;
  readonly #prefix: Key;
  readonly #states: readonly MembersState[];
  readonly #leaves: ReadonlyMap<number, Arrival>;

  constructor(history: History, prefix: Key) {
    this.#history = history;
    this.#prefix = `${prefix}m/`;
    const events = history
      .keysIn(prefixRange(this.#prefix))
      .flatMap((key) => history.eventsOf(key))
      .sort((one, other) => one.kv.modRevision - other.kv.modRevision);
    const saidLeave = new Set(history.eventsOf(`${prefix}leaves`).map(({ kv }) => kv.modRevision));
    const arrivals: Arrival[] = [];
    const leaves = new Map<number, Arrival>();
    const states: MembersState[] = [{ revision: 0, live: 0, died: 0 }];
    const standing = new Map<Key, Arrival>();
    let died = 0;
    for (const { type, kv } of events) {
      const { key, modRevision: revision } = kv;
      if (type === 'put') {
        const arrival = { key, arrivedAt: revision, label: labelIn(kv) };
        arrivals.push(arrival);
        standing.set(key, arrival);
      } else {
        const gone = standing.get(key);
        standing.delete(key);
        if (!saidLeave.has(revision)) died += 1;
        else if (gone !== undefined) leaves.set(revision, gone);
      }
      if (states.at(-1)?.revision === revision) states.pop();
      states.push({ revision, live: standing.size, died });
    }
    this.arrivals = arrivals;
    this.#states = states;
    this.#leaves = leaves;
  }

  /** The keys of those who had arrived above `since`, in the state of `revision`. */
  arrivedAt(revision: number, since: number): readonly Key[] {
    return this.#history
      .rangeAt(prefixRange(this.#prefix), revision)
      .filter(({ modRevision }) => modRevision > since)
      .map(({ key }) => key);
  }

  countAt(revision: number): number {
    return this.#history.rangeAt(prefixRange(this.#prefix), revision).length;
  }

  /** Who left, and said so, at this revision. */
  leftAt(revision: number): Arrival | undefined {
    return this.#leaves.get(revision);
  }

  /** All who left, and said so. */
  get leavings(): readonly { readonly revision: number; readonly arrival: Arrival }[] {
    return [...this.#leaves].map(([revision, arrival]) => ({ revision, arrival }));
  }

  /** Every state of them from the one of `from` on, before `to`. */
  statesSince(from: number, to: number): readonly MembersState[] {
    const first = this.#states.findLastIndex(({ revision }) => revision <= from);
    return this.#states.slice(Math.max(0, first)).filter(({ revision }) => revision < to);
  }
}
