import type { QuorateError } from '../../errors.js';
import type { Place } from '../../line/index.js';
import type { Client } from '../../session/index.js';
import { Callers } from '../waiting/callers.js';
import type { PermitHold } from './semaphore-hold.js';

/**
 * The callers of one `Semaphore` object that ask for the same number of permits, first come first served, and the places
 * in the line that stand for them: any of these places will do for any of them.
 */
export class CallersOfWeight {
  readonly weight: number;
  /** For whom it is, if that was told: then it is for one caller alone. */
  readonly owner: string | undefined;
  readonly callers: Callers<PermitHold | QuorateError>;
  /** Places that wait in the line, in the order in which they were taken. */
  readonly waiting = new Set<Place>();
  /** Places that are being taken. */
  taking = 0;
  /** Places that were admitted, whose permits pass from one caller to the next. */
  serving = 0;
  /** Calls so far. */
  calls = 0;

  constructor({ runtime }: Client, weight: number, owner?: string) {
    this.weight = weight;
    this.owner = owner;
    this.callers = new Callers(runtime);
  }

  /** Callers that wait and for whom no place does. */
  get lacking(): number {
    return this.callers.size - this.waiting.size - this.taking;
  }

  get isIdle(): boolean {
    return this.callers.size + this.waiting.size + this.taking + this.serving === 0;
  }

  /** The place that was taken last, if more wait than callers do. */
  surplus(): Place | undefined {
    return this.waiting.size > this.callers.size ? [...this.waiting].at(-1) : undefined;
  }

  /** Refuses callers, the first ones first, but none that came after the first `calls`. */
  refuse(error: QuorateError, most: number, calls: number): void {
    const since = this.calls - calls;
    const count = Math.min(most, this.callers.size - since);
    for (let refused = 0; refused < count; refused += 1) this.callers.serve(() => error);
  }
}
