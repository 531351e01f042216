/**
 * Jobs that were cancelled (`x/<id>`) and whose workers are to be told: `{IF create(w/W) = c THEN put a/W/x/<id>, delete x/<id>
 * ELSE delete x/<id>}` under the term, or only the deletion if nobody has the job. `x/<id>` stands until that is done, so
 * a successor finds it and tells by the records who had the job.
 *
 * The item goes in the revision that puts `x/<id>`: who held it must be asked before the plan forgets the job. At a takeover
 * the item may have gone already, and the news of its cancellation may be still to come: whoever was given it last is
 * remembered.
 */
import type { ItemId } from '../keys.js';
import type { PlannedCancellation } from './messages.js';
import type { PlannedWorkers } from './planned-workers.js';

export interface Cancelled {
  readonly id: ItemId;
  /** In words, as whoever cancelled it wrote them. */
  readonly reason: Uint8Array;
  /** Who has it, or may have it. */
  readonly worker: string | undefined;
}

export class Cancellations {
  readonly #cancelled = new Map<ItemId, Cancelled>();
  readonly #givenLast = new Map<ItemId, { readonly worker: string; readonly generation: number }>();

  /** A record says so, of an item that has gone. */
  wasGiven(id: ItemId, worker: string, generation: number): void {
    const known = this.#givenLast.get(id);
    if (known === undefined || known.generation < generation) this.#givenLast.set(id, { worker, generation });
  }

  /** `worker`: in whose hands the plan has it. */
  cancelled({ id, reason, worker = this.#givenLast.get(id)?.worker }: Cancelled): void {
    this.#cancelled.set(id, { id, reason, worker });
  }

  /** The write that was to give these to workers was refused: nobody has them. */
  notGiven(ids: readonly ItemId[]): void {
    for (const id of ids) {
      const cancelled = this.#cancelled.get(id);
      if (cancelled !== undefined) this.#cancelled.set(id, { ...cancelled, worker: undefined });
    }
  }

  /** The oldest ones, which stay until they are {@link told}. Who is present is told. */
  plan(most: number, workers: PlannedWorkers): readonly PlannedCancellation[] {
    const planned: PlannedCancellation[] = [];
    for (const cancelled of this.#cancelled.values()) {
      if (planned.length >= most) break;
      const worker = cancelled.worker === undefined ? undefined : workers.get(cancelled.worker);
      const isThere = worker !== undefined && !worker.lost;
      planned.push({
        ...cancelled,
        ...(isThere ? { create: worker.create } : { worker: undefined, create: 0 }),
      });
    }
    return planned;
  }

  told(ids: readonly ItemId[]): void {
    for (const id of ids) this.#cancelled.delete(id);
  }
}
