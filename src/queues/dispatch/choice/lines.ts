import type { ItemId } from '../../keys.js';
import type { Choosable } from './choosable.js';
import { SortedIds } from './sorted-ids.js';

interface Line {
  /** Jobs of it that are with workers. */
  inHand: number;
  readonly waiting: SortedIds;
  /** The one that may go now. */
  head: Choosable | undefined;
}

export interface LinesOptions {
  readonly find: (id: ItemId) => Choosable | undefined;
  /** How many jobs of a line may be with workers at a time. */
  readonly limitOf: (name: string) => number;
  /** Whether a job has its place in the line. */
  readonly isWaiting: (job: Choosable) => boolean;
  /** Whether the first of a line may go; if not, none may. */
  readonly mayGo: (job: Choosable) => boolean;
  readonly onHead: (job: Choosable, isHead: boolean) => void;
}

/**
 * Lines of jobs that share a name, each in queue order. Of a line that has room only the first may go: its *head*. A change
 * costs a search in the one line that it concerns, however long that is.
 */
export class Lines {
  readonly #options: LinesOptions;
  /** Only of names that a job of the plan has. */
  readonly #lines = new Map<string, Line>();

  constructor(options: LinesOptions) {
    this.#options = options;
  }

  /** Something has changed about this job; so many more of the line are with workers. */
  changed(name: string, job: Choosable, inHand: -1 | 0 | 1): void {
    const line = this.#lines.get(name) ?? { inHand: 0, waiting: new SortedIds(), head: undefined };
    this.#lines.set(name, line);
    line.inHand += inHand;
    if (this.#options.isWaiting(job)) line.waiting.insert(job.id);
    this.#settle(name, line);
  }

  /** The limits have changed. */
  settle(): void {
    for (const [name, line] of [...this.#lines]) this.#settle(name, line);
  }

  #settle(name: string, line: Line): void {
    const { limitOf, mayGo, onHead } = this.#options;
    const first = this.#first(line);
    const head = first !== undefined && line.inHand < limitOf(name) && mayGo(first) ? first : undefined;
    const before = line.head;
    line.head = head;
    if (line.inHand === 0 && first === undefined) this.#lines.delete(name);
    if (before === head) return;
    if (before !== undefined) onHead(before, false);
    if (head !== undefined) onHead(head, true);
  }

  /** Ids of jobs that have left are forgotten when they come to the front. */
  #first({ waiting }: Line): Choosable | undefined {
    for (let id = waiting.first(); id !== undefined; id = waiting.first()) {
      const job = this.#options.find(id);
      if (job !== undefined && this.#options.isWaiting(job)) return job;
      waiting.dropFirst();
    }
    return undefined;
  }
}
