import { History, InvariantBroken } from '../../src/checkers/index.js';
import { bytesOf, type HistoryEntry, type Key, type KeyEvent, type KeyValue } from '../../src/store/index.js';

/** One change of a key, by the hand of a test: a value to put, or undefined to delete it. */
export interface Change {
  readonly value?: string | Uint8Array;
  readonly lease?: string;
}

/** Tells a history step by step, with the revisions that a store would give to it. */
export class Story {
  readonly entries: HistoryEntry[] = [];
  readonly #state = new Map<Key, KeyValue>();
  #nowMs: number | undefined;

  /** What follows happens at this time. */
  at(nowMs: number): this {
    this.#nowMs = nowMs;
    return this;
  }

  get revision(): number {
    return this.entries.at(-1)?.revision ?? 1;
  }

  /** Puts one key. Answers the revision. */
  put(key: Key, value: string | Uint8Array = '', lease = '0'): number {
    return this.step({ [key]: { value, lease } });
  }

  /** Deletes keys, in one revision, which it answers. */
  remove(...keys: readonly Key[]): number {
    return this.step(Object.fromEntries(keys.map((key) => [key, {}])));
  }

  /** Several changes in one revision, which it answers. */
  step(changes: Readonly<Record<Key, Change>>): number {
    const revision = this.revision + 1;
    const events = Object.entries(changes).map(([key, change]) => this.#change(key, change, revision));
    this.entries.push({ revision, events, ...(this.#nowMs === undefined ? {} : { atMs: this.#nowMs }) });
    return revision;
  }

  history(): History {
    return new History(this.entries);
  }

  #change(key: Key, { value, lease = '0' }: Change, revision: number): KeyEvent {
    const before = this.#state.get(key);
    if (value === undefined) {
      this.#state.delete(key);
      const kv = {
        key,
        value: bytesOf(''),
        createRevision: 0,
        modRevision: revision,
        version: 0,
        lease: '0',
      };
      return { type: 'delete', kv };
    }
    const kv = {
      ...{ key, value: bytesOf(value), lease },
      ...{ createRevision: before?.createRevision ?? revision, modRevision: revision },
      version: (before?.version ?? 0) + 1,
    };
    this.#state.set(key, kv);
    return { type: 'put', kv };
  }
}

/** The id of what `check` found broken, or `nothing`. Any other failure is thrown. */
export function brokenBy(check: () => unknown): string {
  try {
    check();
    return 'nothing';
  } catch (error) {
    if (error instanceof InvariantBroken) return error.id;
    throw error;
  }
}

/** The evidence of what `check` found broken. */
export function evidenceOf(check: () => unknown): string {
  try {
    check();
  } catch (error) {
    if (error instanceof InvariantBroken) return error.evidence;
    throw error;
  }
  throw new Error('nothing was broken');
}
