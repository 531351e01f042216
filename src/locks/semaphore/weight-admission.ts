import type { Admission } from '../../line/index.js';
import { type Key, type KeyValue, textOf } from '../../store/index.js';
import { limitIn, weightIn } from './weights.js';

/** The limit as it stood at a revision. */
export interface KnownLimit {
  /** Undefined: there was none, or none that could be read. Nobody is admitted then. */
  readonly limit: number | undefined;
  /** Revision that wrote it; 0 if it was not there. */
  readonly writtenAt: number;
  readonly asOf: number;
}

/**
 * When the turn of one place has come: its weight and those of all older places are within the limit, in one state. An
 * older place counts whether it holds or waits, so a heavy one that waits is not passed by lighter ones.
 *
 * Reads and events tell of the limit, not always in the order of their revisions: the newest counts.
 */
export class WeightAdmission implements Admission {
  readonly weight: number;
  /** Called when the limit became another, or was found to be. */
  onLimit: () => void = () => {};
  readonly #limitKey: Key;
  #known: KnownLimit = { limit: undefined, writtenAt: 0, asOf: 0 };

  constructor(limitKey: Key, weight: number) {
    this.#limitKey = limitKey;
    this.weight = weight;
  }

  get known(): KnownLimit {
    return this.#known;
  }

  /** There is a limit, and this alone is more. */
  get isTooHeavy(): boolean {
    const { limit } = this.#known;
    return limit !== undefined && this.weight > limit;
  }

  seen(present: ReadonlyMap<Key, KeyValue>, revision: number): void {
    this.#learn(present.get(this.#limitKey), revision);
  }

  changed(key: Key, kv: KeyValue | undefined, revision: number): void {
    if (key === this.#limitKey) this.#learn(kv, revision);
  }

  admits(older: ReadonlyMap<Key, number>): boolean {
    const { limit } = this.#known;
    if (limit === undefined) return false;
    let left = limit - this.weight;
    // Each weighs 1 at least, so most of a long line need not be added up.
    if (left < older.size) return false;
    for (const key of older.keys()) left -= weightIn(key) ?? 0;
    return left >= 0;
  }

  #learn(kv: KeyValue | undefined, asOf: number): void {
    if (asOf < this.#known.asOf) return;
    const { writtenAt } = this.#known;
    const limit = kv === undefined ? undefined : limitIn(textOf(kv.value));
    this.#known = { limit, writtenAt: kv?.modRevision ?? 0, asOf };
    if (this.#known.writtenAt !== writtenAt) this.onLimit();
  }
}
