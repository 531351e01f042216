/** What the plan of credit is told and what it wants written: plain data. */
import type { ItemId } from '../keys.js';
import type { Demand, Grant } from '../records/index.js';

/** A producer of a bounded queue, as its keys tell. */
export interface StoredAccount {
  readonly name: string;
  /** Its producer is present. */
  readonly here: boolean;
  readonly grant: Grant | undefined;
  readonly demand: Demand | undefined;
  /** The revision that wrote the demand; 0 if there is none. */
  readonly demandMod: number;
}

export type CreditChange =
  | { readonly type: 'presence'; readonly name: string; readonly here: boolean }
  | { readonly type: 'grant'; readonly name: string; readonly grant: Grant | undefined }
  | { readonly type: 'demand'; readonly name: string; readonly demand: Demand | undefined }
  | { readonly type: 'item-created' }
  | { readonly type: 'item-gone' };

export interface PlannedGrant extends Grant {
  readonly name: string;
  /** Only if its demand is still that of this revision: something is taken back. */
  readonly demandMod?: number;
}

/** A job that may be dropped. */
export interface Droppable {
  readonly id: ItemId;
  readonly create: number;
  readonly generation: number;
}

/** All of it, or nothing. */
export interface CreditWrite {
  /** The revision of the control that it was planned under. */
  readonly control: number;
  readonly grants: readonly PlannedGrant[];
  /** Accounts whose producers are gone, if their demands are still those of these revisions (0: there is none). */
  readonly forgotten: readonly { readonly name: string; readonly demandMod: number }[];
  /** They make room, and nobody works on them. */
  readonly drops: readonly Droppable[];
  /** How far the view went. */
  readonly seen: number;
}

/** How much of it one write holds at most. */
export interface CreditLimits {
  readonly grantsPerWrite: number;
  readonly dropsPerWrite: number;
}
