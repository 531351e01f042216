import { decodeLeader } from '../election/leader-record.js';
import { bytesOf, type Key, textOf } from '../store/index.js';
import type { History } from './history.js';
import { termWonAt } from './place-order.js';
import { broken } from './sentences.js';

/** What an observer was told: a `LeaderView`, or as much of one as was recorded. */
export type LeaderReport =
  | {
      readonly status: 'leader';
      readonly term: number;
      /** Revision at which it was proclaimed. */
      readonly revision: number;
      readonly value?: Uint8Array | string;
    }
  | { readonly status: 'none'; readonly revision: number }
  | { readonly status: 'unknown' };

export interface ObserverCheck {
  readonly history: History;
  readonly leader: Key;
  readonly views: readonly LeaderReport[];
  readonly mustEndAt: number | undefined;
  /** Which of the observers, for people. */
  readonly index: number;
}

/** Throws ELECTION-3 unless the views are a subsequence of what the `leader` key truly held, and end where they must. */
export function checkObserver(check: ObserverCheck): { leadersSeen: number; unknowns: number } {
  const { history, leader, views, mustEndAt, index } = check;
  const counts = { leadersSeen: 0, unknowns: 0 };
  let seen: Exclude<LeaderReport, { status: 'unknown' }> | undefined;
  for (const [at, view] of views.entries()) {
    if (view.status === 'unknown') {
      counts.unknowns += 1;
      continue;
    }
    const story = `observer ${index} was told ${describe(view)} (view ${at})`;
    if (view.status === 'leader') counts.leadersSeen += 1;
    const untruth = untruthOf(history, leader, view);
    if (untruth !== undefined) broken('ELECTION-3', `${story}, but ${untruth}`);
    // Where nobody led at a revision, who leads later was made so later.
    const isOlder =
      seen !== undefined &&
      (view.revision < seen.revision ||
        (view.status === 'leader' && seen.status === 'none' && view.revision === seen.revision));
    if (isOlder && seen) broken('ELECTION-3', `${story}, after ${describe(seen)}`);
    seen = view;
  }
  const last = views.at(-1);
  if (mustEndAt !== undefined && !(last?.status === 'leader' && last.term === mustEndAt)) {
    const ended = last === undefined ? 'was told nothing' : `ended at ${describe(last)}`;
    broken('ELECTION-3', `observer ${index} ${ended}, and not at the last leader, of term ${mustEndAt}`);
  }
  return counts;
}

/** What is wrong with a view by the history; undefined if it is true. */
function untruthOf(
  history: History,
  leader: Key,
  view: Exclude<LeaderReport, { status: 'unknown' }>,
): string | undefined {
  const kv = history.valueAt(leader, view.revision);
  if (view.status === 'none') {
    return kv && `the key was there at that revision, written at ${kv.modRevision}`;
  }
  if (kv?.modRevision !== view.revision) return 'nobody wrote the key at that revision';
  const truth = decodeLeader(kv);
  // A win is written before its revision is known: that is its term.
  const term = truth && (truth.record.term ?? termWonAt(kv.modRevision));
  if (term !== view.term) return `the key said term ${term ?? '(foreign data)'}`;
  if (view.value === undefined || truth === undefined) return undefined;
  if (Buffer.compare(truth.value, bytesOf(view.value)) === 0) return undefined;
  return `the leader had said ${JSON.stringify(textOf(truth.value).slice(0, 80))}`;
}

function describe(view: LeaderReport): string {
  if (view.status === 'unknown') return 'unknown';
  if (view.status === 'none') return `none at revision ${view.revision}`;
  return `the leader of term ${view.term} at revision ${view.revision}`;
}
