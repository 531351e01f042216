import type { QuorateError } from '../../errors.js';
import type { Behind } from '../bounds/entrance.js';
import { costOf } from '../bounds/known.js';
import { itemsPerGroup } from './group-request.js';
import type { Submission } from './submission.js';

/** A group closes at this size; one larger item travels alone. */
const bytesPerGroup = 1_000_000;

/**
 * The calls of one producer that are not under way yet, in their order, from which each group is taken. Who has stopped waiting
 * stays in it until then, and is left out of the group.
 */
export class PendingLine {
  readonly #submissions: Submission[] = [];
  #items = 0;
  #bytes = 0;
  #onFull: (() => void) | undefined;

  get isEmpty(): boolean {
    return this.#submissions.length === 0;
  }

  /** There is a whole group, so that nothing is won by gathering more. */
  get isFull(): boolean {
    return this.#items >= itemsPerGroup || this.#bytes >= bytesPerGroup;
  }

  /** Resolves when it gets full, or all are refused. For one who waits at a time: who asks again waits no more for the first. */
  untilFull(): Promise<void> {
    return new Promise((resolve) => {
      this.#onFull = resolve;
    });
  }

  add(submission: Submission): void {
    this.#submissions.push(submission);
    this.#items += submission.drafts.length;
    this.#bytes += submission.bytes;
    if (this.isFull) this.#onFull?.();
  }

  /** The next group, in order of the calls. A call is not divided, unless it is beyond a group by itself. */
  take(): Submission[] {
    const group: Submission[] = [];
    let items = 0;
    let bytes = 0;
    for (const submission of this.#submissions) {
      const fits =
        items + submission.drafts.length <= itemsPerGroup && bytes + submission.bytes <= bytesPerGroup;
      if (group.length > 0 && !fits) break;
      group.push(submission);
      items += submission.drafts.length;
      bytes += submission.bytes;
    }
    this.#submissions.splice(0, group.length);
    this.#items -= items;
    this.#bytes -= bytes;
    return group.filter((submission) => submission.state === 'pending');
  }

  /** Calls that were taken and are not to go yet, to the front again. */
  putBack(taken: readonly Submission[]): void {
    this.#submissions.unshift(...taken);
    for (const { drafts, bytes } of taken) {
      this.#items += drafts.length;
      this.#bytes += bytes;
    }
  }

  /** What a bounded queue is told of those who come after a group. */
  behind(): Behind {
    const front = this.#submissions.find(({ state }) => state === 'pending');
    return {
      front,
      next: front === undefined ? 0 : costOf(front),
      wanted: Math.min(this.#items, itemsPerGroup),
    };
  }

  /** Each with an error of its own. */
  refuseAll(error: () => QuorateError): void {
    for (const submission of this.#submissions.splice(0)) submission.reject(error());
    this.#items = 0;
    this.#bytes = 0;
    this.#onFull?.();
  }
}
