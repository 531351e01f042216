/**
 * Empties a queue of what is in it at one revision.
 *
 * A linearizable read gives the revision R0. Every item of then has a key below the place of R0, since its producer had read
 * an older revision; items below it that are younger than R0 (their producer paused between read and write) are passed over.
 * The rest is read in bounded windows, keys only, and deleted step by step: `{IF create(i/X) = c THEN delete i/X, delete g/X,
 * delete P/X}` for each. What was acknowledged meanwhile is refused and not counted.
 *
 * - *Reply lost*: the exactly-once store finds out what each step deleted. If history was compacted meanwhile it cannot, and
 *   the purge fails with outcome `unknown`: calling it again deletes the rest.
 * - *This process dies or pauses*: what was deleted is deleted; a step that arrives late names items by their create revisions,
 *   and ids are never used again, so it deletes nothing but what was there at R0.
 * - *Jobs that run* are told at their acknowledgement (`fenced`), which compares the item's create revision. Records of
 *   assignment stay until their worker finds them settled; a take-back of a lost worker's jobs finds them gone.
 * - *Delayed items*: see purge-delayed.ts.
 * - *Two at once*: each item is counted by the one that deleted it.
 */
import { isPassing, isPassingRead, isQuorateError, QuorateError } from '../../errors.js';
import { Backoff, checkWaitOptions, type Runtime, TimeLeft, type WaitOptions } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import {
  compare,
  type Key,
  type KeyValue,
  nested,
  type Op,
  put,
  type RangeRequest,
  type TxnReply,
  type TxnRequest,
  txnOf,
} from '../../store/index.js';
import { purgedKey } from '../conditions/condition-keys.js';
import { placeOf, type QueueKeys } from '../keys.js';
import { type LevelStart, readStarts } from '../reading/starts.js';
import { type Sweep, sweepOfDelayed, sweepOfTimers } from './purge-delayed.js';

/** Deleted by one nested transaction, and by one request. */
const itemsPerBlock = 50;
const itemsPerStep = 500;
/** A request of etcd takes 1.5 MiB; a step names up to six keys an item. */
const bytesPerStep = 1_200_000;
const keysPerItem = 6;
const longestRestOfKey = 120;
const retryDelay = { firstMs: 20, longestMs: 1_000 };

export interface Purged {
  /** How many items this call deleted. */
  readonly removed: number;
  /** What was put later than this stays. */
  readonly revision: number;
}

export async function purge(
  client: Client,
  keys: QueueKeys,
  queueName: string,
  options: WaitOptions,
): Promise<Purged> {
  const doing = `purging queue "${queueName}"`;
  checkWaitOptions(options, doing);
  const { store, runtime } = client;
  const left = new TimeLeft(runtime, options, doing);
  const retrying = <T>(mayRetry: (error: unknown) => boolean, attempt: () => Promise<T>) =>
    retried(runtime, left, mayRetry, attempt);
  let removed = 0;
  const fitting = Math.floor(bytesPerStep / (keysPerItem * (keys.prefix.length + longestRestOfKey)));
  const limit = Math.min(itemsPerStep, Math.max(1, fitting));
  const sweep = async ({ key: from, rangeEnd, revision = 0, upTo, removal, isOfItems }: Sweep) => {
    for (let key: Key | undefined = from; key !== undefined; ) {
      const window: RangeRequest = { key, rangeEnd, revision, limit, keysOnly: true };
      const { kvs } = await retrying(isPassingRead, () => store.range(window, left.forRead()));
      const mine = kvs.filter(({ createRevision }) => createRevision <= upTo);
      if (mine.length > 0) {
        const request = inBlocks(keys, mine.map(removal));
        const count = removedBy(await retrying(isPassing, () => store.txn(request, left.all())));
        if (isOfItems) removed += count;
      }
      key = kvs.length < limit ? undefined : `${kvs.at(-1)?.key}\0`;
    }
  };
  for (;;) {
    try {
      const { levels, revision } = await retrying(isPassingRead, () =>
        readStarts(store, keys, left.forRead()),
      );
      if (keys.kind === 'delay') await sweep(sweepOfDelayed(keys, revision));
      for (const level of levels) await sweep(sweepOfItems(keys, level, revision));
      if (keys.kind === 'delay') await sweep(sweepOfTimers(keys));
      return { removed, revision };
    } catch (error) {
      // Of what was delayed then nothing can be read any more: it is read as of a later revision.
      if (isQuorateError(error, 'compacted')) continue;
      throw asPurged(error, removed);
    }
  }
}

async function retried<T>(
  runtime: Runtime,
  left: TimeLeft,
  mayRetry: (error: unknown) => boolean,
  attempt: () => Promise<T>,
): Promise<T> {
  const backoff = new Backoff(runtime, retryDelay);
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!mayRetry(error)) throw error;
      left.all();
    }
    await left.pause(backoff.nextMs());
  }
}

function sweepOfItems(keys: QueueKeys, { name, start }: LevelStart, revision: number): Sweep {
  const removal = ({ key, createRevision }: KeyValue) => {
    const id = keys.nameIn(keys.items, key);
    return nested({
      compare: [compare.create({ key }, 'equal', createRevision)],
      success: [
        { type: 'delete', key },
        { type: 'delete', key: keys.generation(id) },
        { type: 'delete', key: keys.progressOf(id) },
      ],
    });
  };
  return { ...keys.itemsBetween(start, placeOf(revision, name)), upTo: revision, removal, isOfItems: true };
}

function inBlocks(keys: QueueKeys, each: readonly Op[]): TxnRequest {
  const blocks: Op[] = [];
  for (let from = 0; from < each.length; from += itemsPerBlock) {
    blocks.push(nested({ success: each.slice(from, from + itemsPerBlock) }));
  }
  if (keys.kind === 'condition') blocks.push(put(purgedKey(keys), ''));
  return txnOf({ success: blocks });
}

/** How many items went by it: the first that is deleted stands for each. */
function removedBy({ replies }: TxnReply): number {
  const each = replies.flatMap((block) => (block.type === 'txn' ? block.replies : []));
  return each.filter((reply) => {
    const [first] = reply.type === 'txn' ? reply.replies : [];
    return first?.type === 'delete' && first.deleted > 0;
  }).length;
}

function asPurged(error: unknown, removed: number): unknown {
  if (!isQuorateError(error)) return error;
  const { code, message, outcome, cause, details } = error;
  return new QuorateError(code, message, {
    ...{ outcome: removed > 0 ? 'unknown' : outcome, cause, details: { ...details, removed } },
  });
}
