/**
 * Whether every transaction of a store that groups them took effect as its caller was told: exactly once or never, with the
 * reply of a single execution. All it knows of grouping is that transactions may share a revision; each is evaluated by
 * itself over the state before.
 */
import {
  evaluateTxn,
  inRange,
  type Key,
  type NestedTxnReply,
  type Op,
  type TxnReply,
  type TxnRequest,
} from '../store/index.js';
import { differenceOf, sameValue } from './deep-equal.js';
import { atTime } from './evidence.js';
import type { History, Replayed } from './history.js';
import { PastView } from './past-view.js';
import { broken } from './sentences.js';

/** A transaction and what its caller was told of it. */
export interface ObservedTxn {
  /** A key of its own that it puts in every branch, and nothing else touches: shows in the history when it was applied. */
  readonly marker: Key;
  readonly request: TxnRequest;
  /** What it was answered; absent if it failed, or nothing is known yet. */
  readonly reply?: TxnReply;
  /** What it failed with. */
  readonly error?: { readonly code: string; readonly outcome: 'not-applied' | 'unknown' };
  /** For people. */
  readonly process?: string;
}

export interface CommitsCheck {
  readonly history: History;
  readonly observed: readonly ObservedTxn[];
  /** The prefix of the store's lanes, which belong to no caller. */
  readonly lanePrefix: Key;
  /** Keys that others write beside: what happens to them proves nothing. Default: none. */
  readonly isForeign?: (key: Key) => boolean;
  /** Codes that may come with the outcome `unknown`. Default: `timeout`, `aborted`, `closed` and `compacted`. */
  readonly unknownCodes?: readonly string[];
}

/** What was there to be checked. */
export interface CommitsCounts {
  readonly observed: number;
  readonly replied: number;
  readonly refused: number;
  /** Outcomes `unknown`, and calls of which nothing is known yet. */
  readonly unknown: number;
  /** Of these, those that were applied. */
  readonly unknownApplied: number;
  /** Revisions with two transactions or more. */
  readonly groups: number;
  /** The most in one revision. */
  readonly largestGroup: number;
}

/**
 * Throws `InvariantBroken` for
 * - COMMIT-1: a reply is not that of the transaction alone over the state before it, or something that it looked at changed
 *   in its revision by another hand;
 * - COMMIT-2: a transaction was answered and not applied there, was refused and applied, was applied twice, or the store
 *   changed in a way that no transaction and no end of a lease explains;
 * - COMMIT-3: the outcome `unknown` with another code than `unknownCodes`;
 * - COMMIT-4: a transaction was applied once more after it had been answered.
 */
export function checkCommits(options: CommitsCheck): CommitsCounts {
  const { history, observed, unknownCodes = ['timeout', 'aborted', 'closed', 'compacted'] } = options;
  const counts = { observed: observed.length, replied: 0, refused: 0, unknown: 0, unknownApplied: 0 };
  const applied = new Map<number, ObservedTxn[]>();
  for (const one of observed) {
    const revisions = history
      .eventsOf(one.marker)
      .filter(({ type }) => type === 'put')
      .map(({ kv }) => kv.modRevision);
    checkOutcome(history, one, revisions);
    if (one.reply !== undefined) counts.replied += 1;
    else if (one.error?.outcome === 'not-applied') counts.refused += 1;
    else {
      counts.unknown += 1;
      counts.unknownApplied += revisions.length;
      if (one.error && !unknownCodes.includes(one.error.code)) {
        broken('COMMIT-3', `${describe(one)} failed as ${one.error.code} with the outcome unknown`);
      }
    }
    for (const revision of revisions) {
      const members = applied.get(revision);
      if (members === undefined) applied.set(revision, [one]);
      else members.push(one);
    }
  }
  const judge = new RevisionJudge(options);
  for (const replayed of history.replay()) judge.judge(replayed, applied.get(replayed.entry.revision) ?? []);
  const sizes = [...applied.values()].map(({ length }) => length);
  const groups = sizes.filter((size) => size > 1).length;
  return { ...counts, groups, largestGroup: Math.max(0, ...sizes) };
}

/** How often it was applied, against what its caller was told. */
function checkOutcome(history: History, one: ObservedTxn, revisions: readonly number[]): void {
  const when = revisions.map((revision) => `${revision}${atTime(history.timeOf(revision))}`).join(', ');
  const story = `${describe(one)} was applied ${revisions.length === 0 ? 'never' : `at revision ${when}`}`;
  const told = one.reply?.revision;
  if (told !== undefined) {
    if (!revisions.includes(told)) broken('COMMIT-2', `${story}, and was answered with revision ${told}`);
    if (revisions.some((revision) => revision > told)) {
      broken('COMMIT-4', `${story}, and was answered with revision ${told}`);
    }
  }
  if (revisions.length > 1) broken('COMMIT-2', story);
  if (one.error?.outcome === 'not-applied' && revisions.length > 0) {
    broken('COMMIT-2', `${story}, and its caller was told ${one.error.code}, not applied`);
  }
}

class RevisionJudge {
  readonly #history: History;
  readonly #lanePrefix: Key;
  readonly #isForeign: (key: Key) => boolean;

  constructor({ history, lanePrefix, isForeign = () => false }: CommitsCheck) {
    this.#history = history;
    this.#lanePrefix = lanePrefix;
    this.#isForeign = isForeign;
  }

  judge(replayed: Replayed, members: readonly ObservedTxn[]): void {
    for (const one of members) if (one.reply !== undefined) this.#checkReply(replayed, one, one.reply);
    this.#checkChanges(replayed, members);
  }

  /** COMMIT-1: as if it had been alone. */
  #checkReply(replayed: Replayed, one: ObservedTxn, reply: TxnReply): void {
    const { revision, events } = replayed.entry;
    const [alone] = this.#run(replayed, [one.request]).members;
    const expected = { revision, succeeded: alone?.succeeded, replies: alone?.replies };
    const difference = differenceOf(reply, expected, 'reply');
    if (difference !== undefined) {
      broken(
        'COMMIT-1',
        `${describe(one)}, applied at revision ${revision}, was answered otherwise: ${difference}`,
      );
    }
    for (const { kv } of events) {
      if (this.#isAside(kv.key) || !looksAt(one.request, kv.key) || writesTo(one.request, kv.key)) continue;
      broken(
        'COMMIT-1',
        `${describe(one)} looks at ${kv.key}, which another changed in its revision ${revision}`,
      );
    }
  }

  /** COMMIT-2: the members explain everything that changed, and nothing that they did is missing. */
  #checkChanges(replayed: Replayed, members: readonly ObservedTxn[]): void {
    const { revision, events } = replayed.entry;
    if (members.length === 0 && isLeaseEnd(replayed)) return;
    const requests = members.map(({ request }) => request);
    const { view } = this.#run(replayed, requests);
    const actual = new Map(events.map(({ type, kv }) => [kv.key, type === 'put' ? kv : undefined]));
    for (const key of new Set([...actual.keys(), ...view.changed.keys()])) {
      if (this.#isAside(key)) continue;
      const expected = view.changed.has(key) ? view.changed.get(key) : replayed.before.get(key);
      const found = actual.has(key) ? actual.get(key) : replayed.before.get(key);
      if (sameValue(found, expected)) continue;
      const by = members.length === 0 ? 'no transaction' : members.map(describe).join(', ');
      const how = differenceOf(found, expected, key);
      broken(
        'COMMIT-2',
        `revision ${revision}${atTime(replayed.entry.atMs)} is not what ${by} made of it: ${how}`,
      );
    }
  }

  /** Compares see the state before the request; ranges see what it writes before them, and the lane is written first. */
  #run(
    { entry, before }: Replayed,
    requests: readonly TxnRequest[],
  ): { readonly view: PastView; readonly members: readonly NestedTxnReply[] } {
    const view = new PastView({ history: this.#history, before, revision: entry.revision });
    const success: Op[] = [];
    for (const { type, kv } of entry.events) {
      if (type === 'delete' || !kv.key.startsWith(this.#lanePrefix)) continue;
      success.push({ type: 'put', key: kv.key, value: kv.value, lease: kv.lease });
    }
    for (const request of requests) success.push({ type: 'txn', ...request });
    const { replies } = evaluateTxn({ compare: [], success, failure: [] }, view);
    return { view, members: replies.filter((reply) => reply.type === 'txn') };
  }

  #isAside(key: Key): boolean {
    return key.startsWith(this.#lanePrefix) || this.#isForeign(key);
  }
}

/** All that happened is that the keys of one lease went, and none of them stayed. */
function isLeaseEnd({ entry: { events }, before }: Replayed): boolean {
  const leaseOf = (key: Key | undefined) => (key === undefined ? undefined : before.get(key)?.lease);
  const lease = leaseOf(events[0]?.kv.key);
  if (lease === undefined || lease === '0') return false;
  if (!events.every(({ type, kv }) => type === 'delete' && leaseOf(kv.key) === lease)) return false;
  return [...before.values()].filter((kv) => kv.lease === lease).length === events.length;
}

function looksAt(request: TxnRequest, key: Key): boolean {
  return (
    request.compare.some((compare) => inRange(compare, key)) ||
    opsOf(request).some((op) =>
      op.type === 'txn' ? looksAt(op, key) : op.type === 'range' && !op.revision && inRange(op, key),
    )
  );
}

function writesTo(request: TxnRequest, key: Key): boolean {
  return opsOf(request).some((op) =>
    op.type === 'txn' ? writesTo(op, key) : op.type !== 'range' && inRange(op, key),
  );
}

function opsOf(request: TxnRequest): readonly Op[] {
  return [...request.success, ...request.failure];
}

function describe({ marker, process }: ObservedTxn): string {
  return process === undefined
    ? `the transaction of ${marker}`
    : `the transaction of ${marker} by ${process}`;
}
