import { bytesOf, textOf } from '../../store/index.js';
import type { ItemId, LevelName } from '../keys.js';
import { parsed, wholeNumber } from './parsing.js';

export interface Beat {
  /** Queue time in ms: runs while there is a dispatcher, and goes on across terms. */
  readonly timeMs: number;
  /**
   * Of each level of which an item may exist: none does below this, as of the dispatcher's view at `seen`, unless it was created
   * above the gate since.
   */
  readonly bases: Readonly<Record<LevelName, ItemId>>;
  /** Jobs wait for a worker or for their delay, or many come in: expect another beat soon. */
  readonly follows: boolean;
  /** If timers wait: another beat comes within so many ms, whatever happens. */
  readonly pulseMs?: number | undefined;
  /** Revision up to which the dispatcher knows the items. */
  readonly seen: number;
}

export function encodeBeat(beat: Beat): Uint8Array {
  return bytesOf(JSON.stringify(beat));
}

export function decodeBeat(bytes: Uint8Array): Beat {
  const value = parsed('beat', () => JSON.parse(textOf(bytes)) as Partial<Beat>);
  return {
    timeMs: Number(value.timeMs) || 0,
    bases: Object.fromEntries(
      Object.entries(value.bases ?? {}).filter(([, base]) => typeof base === 'string'),
    ),
    follows: value.follows === true,
    seen: wholeNumber(value.seen),
    ...(typeof value.pulseMs === 'number' ? { pulseMs: value.pulseMs } : {}),
  };
}
