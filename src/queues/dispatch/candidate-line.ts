import { QuorateError } from '../../errors.js';
import type { Key, KeyValue } from '../../store/index.js';

/** Who stands in line before one candidate, by the last read of the line and the deletions since. */
export class CandidateLine {
  readonly #mine: Key;
  readonly #deleted = new Map<Key, number>();
  #entries: readonly KeyValue[] = [];
  #asOf = 0;
  #failure: unknown;
  #doubt = false;
  #notify: () => void = () => {};

  constructor(mine: Key) {
    this.#mine = mine;
  }

  /** Resolves at the next change, or sooner for nothing. For one waiter. */
  changed(): Promise<void> {
    return new Promise((resolve) => {
      this.#notify = resolve;
    });
  }

  wake(): void {
    this.#notify();
  }

  /** The line as of `revision`. */
  set(entries: readonly KeyValue[], revision: number): void {
    if (revision < this.#asOf) return;
    this.#asOf = revision;
    this.#entries = entries.filter((entry) => (this.#deleted.get(entry.key) ?? 0) <= revision);
    for (const [key, deletedAt] of this.#deleted) if (deletedAt <= revision) this.#deleted.delete(key);
    this.wake();
  }

  deleted(key: Key, revision: number): void {
    this.#deleted.set(key, revision);
    this.#entries = this.#entries.filter((entry) => entry.key !== key || entry.createRevision > revision);
    this.wake();
  }

  fail(error: unknown): void {
    this.#failure = error ?? new QuorateError('internal', 'the line of candidates failed');
    this.wake();
  }

  /** Throws what failed. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** The one who is first should be looked at afresh. */
  doubt(): void {
    this.#doubt = true;
    this.wake();
  }

  takeDoubt(): boolean {
    const doubt = this.#doubt;
    this.#doubt = false;
    return doubt;
  }

  /** True if this candidate's key of this term is not in the line. */
  isGone(term: number): boolean {
    return !this.#entries.some((entry) => entry.key === this.#mine && entry.createRevision === term);
  }

  older(): readonly KeyValue[] {
    const mine = this.#entries.find((entry) => entry.key === this.#mine);
    if (mine === undefined) return [];
    return this.#entries.filter(
      ({ key, createRevision }) =>
        createRevision < mine.createRevision || (createRevision === mine.createRevision && key < mine.key),
    );
  }
}
