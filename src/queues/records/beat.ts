import { bytesOf, textOf } from '../../store/index.js';
import type { ItemId } from '../keys.js';
import { parsed, wholeNumber } from './parsing.js';

export interface Beat {
  /** Queue time in ms: runs while there is a dispatcher, and goes on across terms. */
  readonly timeMs: number;
  /** No item below it exists, as of the dispatcher's view at `seen`, unless it was created above the gate since. */
  readonly base: ItemId | undefined;
  /** Jobs wait for a worker or for their delay, or many come in: expect another beat soon. */
  readonly follows: boolean;
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
    base: typeof value.base === 'string' ? value.base : undefined,
    follows: value.follows === true,
    seen: wholeNumber(value.seen),
  };
}
