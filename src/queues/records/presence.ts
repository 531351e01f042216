import { bytesOf, textOf } from '../../store/index.js';
import { parsed, wholeNumber } from './parsing.js';

/** What a worker says of itself. Changes only to say that it takes no more jobs. */
export interface Presence {
  /** How many jobs it accepts at a time, running and waiting in its memory. 0: none any more. */
  readonly slots: number;
  /** How many of them run at a time. */
  readonly concurrency: number;
  /** For people. */
  readonly label: string;
}

export function encodePresence(presence: Presence): Uint8Array {
  return bytesOf(JSON.stringify(presence));
}

export function decodePresence(bytes: Uint8Array): Presence {
  const value = parsed('presence', () => JSON.parse(textOf(bytes)) as Partial<Presence>);
  const slots = Math.max(0, wholeNumber(value.slots));
  const concurrency = value.concurrency === undefined ? slots : Math.max(0, wholeNumber(value.concurrency));
  return { slots, concurrency: Math.min(slots, concurrency), label: String(value.label ?? '') };
}
