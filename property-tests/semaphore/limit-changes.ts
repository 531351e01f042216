import { AssertionError } from 'node:assert';
import { milliseconds } from '../../src/checkers/evidence.js';
import type { History } from '../../src/checkers/index.js';
import { type Key, textOf } from '../../src/store/index.js';

/** A change of the limit that its caller was told of. */
export interface LimitChange {
  readonly by: number;
  /** What it was told the limit is then. */
  readonly limit: number;
  readonly fromMs: number;
  readonly toMs: number;
}

/** Changes of the limit: each was applied once, to the limit that was there. */
export class LimitChanges {
  readonly #all: LimitChange[] = [];

  add(change: LimitChange): void {
    this.#all.push(change);
  }

  /** Answers how many of them met others while they were on their way. */
  check(history: History, limitKey: Key, initial: number): number {
    const writes = history.eventsOf(limitKey);
    const used = new Set<number>();
    let met = 0;
    for (const { by, limit, fromMs, toMs } of this.#all) {
      const during = writes.flatMap(({ type, kv }, index) => {
        const atMs = history.timeOf(kv.modRevision) ?? 0;
        return type === 'put' && fromMs <= atMs && atMs <= toMs ? [index] : [];
      });
      const own = during.find((index) => {
        const before = writes[index - 1];
        const text = before?.type === 'put' ? textOf(before.kv.value) : '';
        const from = /^\d+$/.test(text) ? Number(text) : initial;
        return (
          !used.has(index) &&
          from + by === limit &&
          textOf(writes[index]?.kv.value ?? new Uint8Array()) === `${limit}`
        );
      });
      if (own === undefined) {
        throw new AssertionError({
          message: `a change of the limit by ${by}, to ${limit}, was told from ${milliseconds(fromMs)} to ${milliseconds(toMs)}, and never made`,
        });
      }
      used.add(own);
      if (during.length > 1) met += 1;
    }
    return met;
  }
}
