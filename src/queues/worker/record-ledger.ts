import type { Key } from '../../store/index.js';

/** Deletes that ride along with one write. */
const longestCleanUp = 16;

/**
 * The assignment records of one worker and how many of their jobs are not settled. A record may go only when all are:
 * deleted earlier, a job whose acknowledgement is still on its way would look as if nobody had it.
 */
export class RecordLedger {
  readonly #open = new Map<Key, number>();
  /** All settled, to be deleted. */
  readonly #emptied = new Set<Key>();
  /** Deleted while somebody was reading, whose answer may still show them. */
  readonly #deleted = new Set<Key>();
  #readers = 0;

  get hasEmptied(): boolean {
    return this.#emptied.size > 0;
  }

  knows(record: Key): boolean {
    return this.#open.has(record) || this.#deleted.has(record);
  }

  /** Records that are deleted from now on remain known until the reader calls the answer. */
  startReading(): () => void {
    this.#readers += 1;
    return () => {
      this.#readers -= 1;
      if (this.#readers === 0) this.#deleted.clear();
    };
  }

  opened(record: Key, jobs: number): void {
    if (jobs === 0) this.#emptied.add(record);
    this.#open.set(record, jobs);
  }

  settled(record: Key): void {
    const before = this.#open.get(record);
    if (before === undefined) return;
    const left = before - 1;
    this.#open.set(record, left);
    if (left === 0) this.#emptied.add(record);
  }

  /** The records to delete with the write that settles a job of `record`: that one too, if this job is its last. */
  cleanUpWith(record: Key): readonly Key[] {
    const records = this.takeEmptied();
    if (this.#open.get(record) === 1) records.push(record);
    return records;
  }

  takeEmptied(): Key[] {
    const records = [...this.#emptied].slice(0, longestCleanUp);
    for (const record of records) this.#emptied.delete(record);
    return records;
  }

  /** What became of deletes that were taken. Those not done are due again, once their record is empty. */
  cleaned(records: readonly Key[], done: boolean): void {
    for (const record of records) {
      if (done) {
        this.#open.delete(record);
        if (this.#readers > 0) this.#deleted.add(record);
      } else if ((this.#open.get(record) ?? 0) <= 0) this.#emptied.add(record);
    }
  }
}
