/**
 * A topic is made by whoever uses it first: `IF create(t) = 0 THEN put t, put h, put s/1 ELSE get t, get h`. How many
 * partitions it has is never changed, since the partition of a key would be another one, and with it the order.
 *
 * Reply lost, whatever became of history: who opens it again finds what it made itself. None of the keys is on a lease, so neither a
 * lost session nor a pause touches them.
 */
import { QuorateError } from '../../errors.js';
import type { WaitOptions } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import { compare, get, type KeyValue, put, textOf, txnOf } from '../../store/index.js';
import { type Description, decodeDescription, describedAs, encodeDescription } from './description.js';
import type { TopicKeys } from './keys.js';
import { keyIn } from './replies.js';

/** The segment that is open, and the revision that guards what is put into it. */
export interface Head {
  readonly segment: number;
  readonly mod: number;
}

export interface OpenedTopic {
  readonly description: Description;
  readonly head: Head;
}

export interface Opening {
  readonly client: Client;
  readonly keys: TopicKeys;
  readonly topicName: string;
  /** As the object that opens it would have it. */
  readonly wanted: Partial<Description>;
}

const firstSegment = 1;

/** Errors: `invalid-argument` for a topic with another number of partitions than was asked for; as the store's. */
export async function openTopic(
  { client, keys, topicName, wanted }: Opening,
  wait: WaitOptions,
): Promise<OpenedTopic> {
  const made = describedAs(wanted);
  const request = txnOf({
    compare: [compare.create(keys.description, 'equal', 0)],
    success: [
      put(keys.description, encodeDescription(made)),
      put(keys.head, String(firstSegment)),
      put(keys.segment(firstSegment), ''),
    ],
    failure: [get(keys.description), get(keys.head)],
  });
  const { succeeded, replies, revision } = await client.store.txn(request, wait);
  if (succeeded) return { description: made, head: { segment: firstSegment, mod: revision } };
  const description = decodeDescription(keyIn(replies[0])?.value ?? new Uint8Array());
  if (wanted.partitions !== undefined && wanted.partitions !== description.partitions) {
    throw new QuorateError(
      'invalid-argument',
      `topic "${topicName}" has ${description.partitions} partitions, not ${wanted.partitions}; accepted: their number, or none`,
      { details: { partitions: description.partitions, wanted: wanted.partitions } },
    );
  }
  return { description, head: headIn(keyIn(replies[1])) };
}

/** Throws `codec` if there is none: nobody but this library writes there. */
export function headIn(kv: KeyValue | undefined): Head {
  const segment = Number(kv === undefined ? Number.NaN : textOf(kv.value));
  if (kv !== undefined && Number.isSafeInteger(segment)) return { segment, mod: kv.modRevision };
  throw new QuorateError('codec', 'a topic without a head: was it written by another program?');
}
