/** What subscribers ask the store for beside their watches: repeated until it is answered, or nobody wants it any more. */
import { isPermanent, isQuorateError, QuorateError } from '../../errors.js';
import { Backoff, sleep } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import type { KeyRange, KeyValue, RangeRequest, RangeResult } from '../../store/index.js';

/** More keys than that are not read at once to fill a gap. */
const mostSurvivors = 128;

/** Up to where a range says anything. */
export interface Newest {
  /** The store's revision when it was asked. */
  readonly revision: number;
  /** The newest one, up to that, at which a key of the range was put that is still there; 0 for none. */
  readonly put: number;
  /** That key, without its value. */
  readonly kv: KeyValue | undefined;
}

/** Rejects with `aborted` once the signal has fired, and for what trying again does not mend. */
export async function readNewest(client: Client, range: KeyRange, signal: AbortSignal): Promise<Newest> {
  const sort = { target: 'mod', order: 'descend' } as const;
  const newest = range.rangeEnd === undefined ? {} : { sort, limit: 1 };
  const { revision, kvs } = await persistently(client, { ...range, keysOnly: true, ...newest }, signal);
  return { revision, put: kvs[0]?.modRevision ?? 0, kv: kvs[0] };
}

/** What compaction up to a revision has left of the puts from another on, oldest first. */
export interface Survivors {
  readonly kvs: readonly KeyValue[];
  /** Nothing is left of the range at all. */
  readonly isEmpty: boolean;
  /** They are all, and each has a revision of its own, so that it is known how they were ordered. */
  readonly isOrdered: boolean;
}

/** Undefined if that revision was compacted too. Rejects as {@link readNewest}. */
export async function readSurvivors(
  client: Client,
  range: KeyRange,
  { fromRevision, toRevision }: { readonly fromRevision: number; readonly toRevision: number },
  signal: AbortSignal,
): Promise<Survivors | undefined> {
  try {
    const { kvs, count, more } = await persistently(
      client,
      {
        ...{ ...range, revision: toRevision, minModRevision: fromRevision, limit: mostSurvivors },
        sort: { target: 'mod', order: 'ascend' },
      },
      signal,
    );
    const revisions = new Set(kvs.map(({ modRevision }) => modRevision));
    return { kvs, isEmpty: count === 0, isOrdered: !more && revisions.size === kvs.length };
  } catch (error) {
    if (isQuorateError(error, 'compacted')) return undefined;
    throw error;
  }
}

async function persistently(
  client: Client,
  request: RangeRequest,
  signal: AbortSignal,
): Promise<RangeResult> {
  const backoff = new Backoff(client.runtime, { firstMs: 20, longestMs: 1_000 });
  for (;;) {
    try {
      return await client.store.range(request, { signal });
    } catch (error) {
      if (signal.aborted || isPermanent(error) || isQuorateError(error, 'compacted')) throw error;
      await sleep(client.runtime, backoff.nextMs(), { signal });
    }
  }
}

/** For a watch that has ended, and did not say that history was compacted. */
export function watchEnded(): QuorateError {
  return new QuorateError('closed', 'the watch ended, as it does when its store is closed');
}
