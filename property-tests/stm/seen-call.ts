/** One call of `atomically` as its process saw it: what each run of its function has read and wanted written. */
import type { Isolation, Transaction } from '../../src/atomics/index.js';
import type { SeenRangeRead, SeenRead, SeenRun, SeenTransaction } from '../../src/checkers/index.js';
import { bytesOf, type Codec, prefixRange, textOf } from '../../src/store/index.js';

const text: Codec<string> = { encode: bytesOf, decode: textOf };

/** A run of the function, and what it works through. */
export class RecordedRun implements SeenRun {
  readonly process: string;
  readonly isolation: Isolation;
  readonly reads: SeenRead[] = [];
  readonly ranges: SeenRangeRead[] = [];
  readonly writes = new Map<string, string | undefined>();
  firstReadAtMs: number | undefined;
  readonly #tx: Transaction;
  readonly #nowMs: () => number;
  readonly #isOver: () => boolean;

  constructor(options: {
    process: string;
    isolation: Isolation;
    tx: Transaction;
    nowMs: () => number;
    /** Nobody waits for it any more. */
    isOver: () => boolean;
  }) {
    this.process = options.process;
    this.isolation = options.isolation;
    this.#tx = options.tx;
    this.#nowMs = options.nowMs;
    this.#isOver = options.isOver;
  }

  async get(key: string): Promise<string | undefined> {
    const value = await this.#tx.get(key, text);
    this.#answered(() => this.reads.push({ key, value }));
    return value;
  }

  async range(prefix: string, limit?: number): Promise<readonly SeenRead[]> {
    const entries = await this.#tx.range({ prefix }, { codec: text, limit });
    this.#answered(() => this.ranges.push({ range: prefixRange(prefix), limit, entries }));
    return entries;
  }

  put(key: string, value: string): void {
    this.#tx.put(key, value, text);
    this.writes.set(key, value);
  }

  delete(key: string): void {
    this.#tx.delete(key);
    this.writes.set(key, undefined);
  }

  /** What it has read of its own writes, as the store's text; for a look at that alone. */
  own(key: string): Promise<string | undefined> {
    return this.#tx.get(key, text);
  }

  #answered(note: () => void): void {
    if (this.#isOver()) return;
    this.firstReadAtMs ??= this.#nowMs();
    note();
  }
}

/** A call under way, or one that ended without anybody knowing how. */
export interface OpenCall {
  readonly beganAtMs: number;
  readonly runs: RecordedRun[];
  guardedBy: SeenTransaction['guardedBy'];
}
