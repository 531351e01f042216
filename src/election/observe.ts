import { fencingToken } from '../line/index.js';
import { stoppable } from '../runtime/index.js';
import type { Client } from '../session/index.js';
import type { Key } from '../store/index.js';
import { conflated, type Fact, FactFollower } from '../watch/index.js';
import { decodeLeader } from './leader-record.js';

/** What an observer knows. `unknown` is said at once when the watch is cut: silence is not "still the same leader". */
export type LeaderView =
  | {
      readonly status: 'leader';
      readonly term: number;
      /** What the leader last proclaimed. */
      readonly value: Uint8Array;
      /** The leading client's label. */
      readonly label: string;
      /** Revision at which it was proclaimed. */
      readonly revision: number;
    }
  | { readonly status: 'none'; readonly revision: number }
  | { readonly status: 'unknown'; readonly reason: string };

/**
 * Follows one `leader` key, conflated, with a read of its own: the first view is the present one, whatever others here know.
 * While the watch stands silent nothing is read.
 */
export function observeLeader(
  { hub, store, runtime }: Client,
  key: Key,
  signal?: AbortSignal,
): AsyncIterableIterator<LeaderView> {
  return stoppable(signal, (end) => {
    const follower = new FactFollower({ hub, store, runtime, key });
    return conflated({ follower, viewOf, isSame, end });
  });
}

function viewOf(fact: Fact): LeaderView {
  if (fact.status === 'unknown') return { status: 'unknown', reason: fact.reason };
  if (fact.status === 'absent') return { status: 'none', revision: fact.revision };
  const decoded = decodeLeader(fact.kv);
  if (decoded === undefined) return { status: 'unknown', reason: 'the leader key holds foreign data' };
  const { record, value } = decoded;
  const revision = fact.kv.modRevision;
  const term = record.term ?? fencingToken(revision, 0);
  return { status: 'leader', term, value, label: record.label, revision };
}

function isSame(told: LeaderView, view: LeaderView): boolean {
  if (told.status !== 'leader' || view.status !== 'leader') return told.status === view.status;
  return told.revision === view.revision;
}
