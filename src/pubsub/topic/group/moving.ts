/**
 * Moves of a group's cursors that are not made by owners.
 *
 * *Seek*: `put c/<group>/<partition>…, put g/<group>/s`, for all partitions in one revision. Owners write their cursors under the
 * compare `mod(c/…) = as last seen`, so none of them can undo it; and all are told by the second key, and begin anew there. Of one
 * partition: `put g/<group>/s/<partition>` instead, which tells the owner of that one alone.
 *
 * *Resume*, after a stop: `IF mod(c/…) = as read THEN put c/…, put g/<group>/s/<partition>`; refused, it is read again.
 *
 * Neither needs a session. *Reply lost*: the exactly-once store finds out; where it cannot (the wait ended, or history was compacted),
 * the caller is told `unknown`, and may call again: to seek again is to begin there again, and to resume what goes on is to do nothing.
 * *The process pauses*: a seek takes effect when it arrives; once nobody waits for it the store sees to it that it does not do so long
 * after. An owner that has not heard of a move is refused at its next write.
 */
import { Backoff, sleep } from '../../../runtime/index.js';
import type { Client } from '../../../session/index.js';
import { compare, type Key, put, txnOf } from '../../../store/index.js';
import type { GroupKeys, TopicKeys } from '../keys.js';
import { isAfter, type Position } from '../position.js';
import { type From, startingPlaces } from '../reading/starting.js';
import { retrying } from '../retrying.js';
import { type Cursor, cursorAt, decodeCursor, encodeCursor } from './cursor.js';

const timeoutMs = 10_000;
const retryDelay = { firstMs: 10, longestMs: 500 };

export interface Moving {
  readonly client: Client;
  readonly keys: TopicKeys;
  readonly group: GroupKeys;
  readonly partitions: readonly number[];
  /** By which their owners are told. */
  readonly sign: Key;
  readonly signal: AbortSignal;
}

/** Answers the revision from which on nothing of before is handed out any more. */
export async function seek(moving: Moving, from: From): Promise<number> {
  const { client, group, partitions, sign, signal } = moving;
  const places = await startingPlaces(moving, from);
  const cursors = places.map(({ after, count }, index) =>
    put(group.cursor(partitions[index] ?? 0), encodeCursor(cursorAt(after, count))),
  );
  const request = txnOf({ success: [...cursors, put(sign, '')] });
  return (await client.store.txn(request, { timeoutMs: Number.POSITIVE_INFINITY, signal })).revision;
}

/** Answers whether the partition was stopped. With `skip`, what it was stopped at counts as dealt with. */
export async function resume(moving: Moving, { skip }: { readonly skip: boolean }): Promise<boolean> {
  const { client, group, partitions, sign, signal } = moving;
  const [partition = 0] = partitions;
  const key = group.cursor(partition);
  const backoff = new Backoff(client.runtime, retryDelay);
  for (;;) {
    const read = () => client.store.range({ key }, { timeoutMs, signal });
    const [kv] = (await retrying(client, signal, read)).kvs;
    const cursor = kv && decodeCursor(kv);
    if (kv === undefined || cursor?.stopped === undefined) return false;
    const request = txnOf({
      compare: [compare.mod(key, 'equal', kv.modRevision)],
      success: [put(key, encodeCursor(resumed(cursor, cursor.stopped, skip))), put(sign, '')],
    });
    const wait = { timeoutMs: Number.POSITIVE_INFINITY, signal };
    if ((await client.store.txn(request, wait)).succeeded) return true;
    await sleep(client.runtime, backoff.nextMs(), { signal });
  }
}

function resumed(cursor: Cursor, at: Position, skip: boolean): Cursor {
  const isIt = ({ revision, index }: Position) => revision === at.revision && index === at.index;
  const skipped = { revision: at.revision, first: at.index, last: at.index };
  const done = skip
    ? [...cursor.done, skipped].sort((one, other) =>
        isAfter({ ...one, index: one.first }, { ...other, index: other.first }) ? 1 : -1,
      )
    : cursor.done;
  const failures = cursor.failures.filter((one) => !isIt(one));
  return { ...cursor, done, failures, stopped: undefined, term: 0 };
}
