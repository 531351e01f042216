/** What one owner has taken from its partition and not passed yet, and the cursor that follows from it. */

import { endOf, type Gap, type Position } from '../position.js';
import type { LoggedMessage } from '../reading/partition-reader.js';
import { type Cursor, doneBetween, type Failures, isDone, type Span, type Stop } from './cursor.js';

/** A message that is to be handled. */
export interface Entry {
  readonly message: LoggedMessage;
  failures: number;
  isDone: boolean;
}

/** A message, or the end of a gap. */
type Step = Position & { readonly ordinal: number | undefined; readonly entry?: Entry | undefined };

export class Progress {
  readonly #loaded: Cursor;
  readonly #steps: Step[] = [];
  #after: Position;
  #count: number | undefined;
  stopped: Stop | undefined;

  constructor(loaded: Cursor) {
    this.#loaded = loaded;
    this.#after = loaded.after;
    this.#count = loaded.count;
    this.stopped = loaded.stopped;
  }

  /** How many are held that the cursor has not passed. */
  get size(): number {
    return this.#steps.length;
  }

  /** The next message of the partition. Undefined if it is done already. */
  add(message: LoggedMessage): Entry | undefined {
    const { revision, index, ordinal } = message;
    const wasDone = isDone(this.#loaded, message);
    const entry = { message, failures: this.#failuresOf(message), isDone: wasDone };
    this.#steps.push({ revision, index, ordinal, entry });
    if (!wasDone) return entry;
    this.#pass();
    return undefined;
  }

  /** What comes next is beyond this gap. Answers the gap without what is done already; undefined if that was all of it. */
  skip(gap: Gap, countAfter: number | undefined): Gap | undefined {
    this.#steps.push({ ...endOf(gap.toRevision), ordinal: countAfter });
    this.#pass();
    if (gap.messages === undefined) return gap;
    const messages = gap.messages - doneBetween(this.#loaded, gap.after, gap.toRevision);
    return messages > 0 ? { ...gap, messages } : undefined;
  }

  /** It is acknowledged, or a dead letter. */
  finish(entry: Entry): void {
    entry.isDone = true;
    this.#pass();
  }

  /** As it stands now. The cursor passes what is done, and nothing else. */
  cursor(term: number): Cursor {
    const failures: Failures[] = [];
    const done: Span[] = [];
    for (const { revision, index, entry } of this.#steps) {
      if (entry === undefined) continue;
      if (entry.isDone) extend(done, revision, index);
      else if (entry.failures > 0) failures.push({ revision, index, times: entry.failures });
    }
    // Those that were done before and have not been read again yet.
    const last = this.#steps.at(-1) ?? this.#after;
    for (const span of this.#loaded.done) {
      for (let { first: index } = span; index <= span.last; index += 1) {
        const isAhead =
          span.revision > last.revision || (span.revision === last.revision && index > last.index);
        if (isAhead) extend(done, span.revision, index);
      }
    }
    for (const failure of this.#loaded.failures) {
      const { revision, index } = failure;
      if (revision > last.revision || (revision === last.revision && index > last.index))
        failures.push(failure);
    }
    return { after: this.#after, count: this.#count, done, failures, stopped: this.stopped, term };
  }

  /** Over all that is done in front. */
  #pass(): void {
    let passed = 0;
    for (const { revision, index, ordinal, entry } of this.#steps) {
      if (entry !== undefined && !entry.isDone) break;
      this.#after = { revision, index };
      this.#count = ordinal;
      passed += 1;
    }
    this.#steps.splice(0, passed);
  }

  #failuresOf({ revision, index }: Position): number {
    const found = this.#loaded.failures.find((one) => one.revision === revision && one.index === index);
    return found?.times ?? 0;
  }
}

function extend(spans: Span[], revision: number, index: number): void {
  const last = spans.at(-1);
  if (last !== undefined && last.revision === revision && last.last === index - 1) {
    spans[spans.length - 1] = { ...last, last: index };
  } else spans.push({ revision, first: index, last: index });
}
