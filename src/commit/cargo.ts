import type { TxnRequest } from '../store/index.js';

/** A group as the lane sees it. */
export interface Cargo {
  readonly members: readonly TxnRequest[];
  /** About so many, in all. */
  readonly bytes: number;
  /** True while somebody waits for the outcome. */
  isWanted(): boolean;
  /** Told of each attempt that failed. */
  onTrouble(error: unknown): void;
}
