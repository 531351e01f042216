/**
 * Jobs that were cancelled (`x/<id>`) and whose workers are to be told: `{IF create(w/W) = c THEN put a/W/x/<id>, delete x/<id>
 * ELSE delete x/<id>}` under the term, or only the deletion if nobody has the job. `x/<id>` stands until that is done, so
 * a successor finds it and tells by the records who had the job.
 *
 * The item goes in the revision that puts `x/<id>`: who held it must be asked before the plan forgets the job.
 */
import type { ItemId } from '../keys.js';

export interface Cancelled {
  readonly id: ItemId;
  /** In words, as whoever cancelled it wrote them. */
  readonly reason: Uint8Array;
  /** Who has it, or may have it. */
  readonly worker: string | undefined;
}

export class Cancellations {
  readonly #cancelled = new Map<ItemId, Cancelled>();

  cancelled(cancelled: Cancelled): void {
    this.#cancelled.set(cancelled.id, cancelled);
  }

  /** The write that was to give these to workers was refused: nobody has them. */
  notGiven(ids: readonly ItemId[]): void {
    for (const id of ids) {
      const cancelled = this.#cancelled.get(id);
      if (cancelled !== undefined) this.#cancelled.set(id, { ...cancelled, worker: undefined });
    }
  }

  /** The oldest ones, which stay until they are {@link told}. */
  first(most: number): readonly Cancelled[] {
    const first: Cancelled[] = [];
    for (const cancelled of this.#cancelled.values()) {
      if (first.length >= most) break;
      first.push(cancelled);
    }
    return first;
  }

  told(ids: readonly ItemId[]): void {
    for (const id of ids) this.#cancelled.delete(id);
  }
}
