import type { KeyEvent } from './types.js';

/** One revision of a store: everything that happened in it. */
export interface HistoryEntry {
  readonly revision: number;
  readonly events: readonly KeyEvent[];
  /** When, in true time, where the store that was recorded knows it. */
  readonly atMs?: number;
}
