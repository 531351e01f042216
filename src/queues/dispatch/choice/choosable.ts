import type { ItemId } from '../../keys.js';
import type { ItemTraits } from '../../records/index.js';

/** Waiting, waiting for its delay to be over, or with a worker (or on its way to one, or from one that was lost). */
export type Stand = 'ready' | 'delayed' | 'in-hand';

/** What the choice must know of a job. What may change is written by the choice alone. */
export interface Choosable {
  readonly id: ItemId;
  readonly traits?: ItemTraits | undefined;
  /** Undefined: not of this plan (any more). */
  stand?: Stand | undefined;
  /** Ready, and its key does not hold it back. */
  isLetGo?: boolean;
  /** Its group does not either. */
  isOpen?: boolean;
}
