/** What retention has removed of a partition: the value of `b/<partition>`. */
import { QuorateError } from '../../../errors.js';
import { type KeyValue, textOf } from '../../../store/index.js';

export interface Removal {
  /** Everything that was put up to and including this revision is gone; 0: nothing is. */
  readonly upTo: number;
  /** How many messages these were, since the topic was made. */
  readonly messages: number;
}

export const nothingRemoved: Removal = { upTo: 0, messages: 0 };

export function encodeRemoval({ upTo, messages }: Removal): string {
  return JSON.stringify({ upTo, messages });
}

/** Throws `codec`: who cannot read what is gone would hide a gap. */
export function removalIn(kv: KeyValue | undefined): Removal {
  if (kv === undefined) return nothingRemoved;
  try {
    const { upTo, messages } = JSON.parse(textOf(kv.value)) as Partial<Removal>;
    if (!Number.isSafeInteger(upTo) || !Number.isSafeInteger(messages)) throw new TypeError('no numbers');
    return { upTo: upTo as number, messages: messages as number };
  } catch (cause) {
    throw new QuorateError('codec', `malformed value under ${kv.key}: was it written by another program?`, {
      cause,
    });
  }
}
