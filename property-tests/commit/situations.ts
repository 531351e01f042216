import type { HistoryEntry } from '../../src/store/index.js';
import type { World } from '../support/world.js';
import type { Attempts } from './attempts.js';
import { type Call, type Calls, isDeclined } from './calls.js';
import type { ProcessCounts } from './commit-process.js';

/** A group of so many has no room left, or next to none. */
const fullGroup = 120;

/** Of any run of commit stores. */
const common = [
  'an attempt without a reply had been applied, as its lane showed',
  'a late attempt was refused by its lane',
  'a reply was worked out from the past',
  'a fence was won',
  'a group was taken apart to find the guilty member',
  'several shared a revision',
  'one by itself was refused by its own compares',
] as const;

export const laneSituations = [
  ...common,
  'a late attempt was applied',
  'a fence was lost',
  'a lane was ended for want of space',
  'no-space was answered to what had been applied',
  'a lane was lost and opened anew',
  'history was compacted before a reply could be worked out',
  'history was compacted that would tell whether a group was applied',
  'a caller gave up what had been applied',
  'a caller gave up what was never applied',
  'a call was called off in flight',
  'the store was closed with a call in flight',
  'a process died before it heard that it had been served',
  'one was refused by its own compares while an earlier attempt was undecided',
  'what may be repeated was sent again',
  'what was repeated had been applied before',
] as const;

export const groupSituations = [
  ...common,
  'a refused member next to one that was applied',
  'a lease had ended, and only its own member was refused',
  'a full group',
] as const;

export interface Counted {
  readonly calls: Calls;
  readonly attempts: Attempts;
  readonly history: readonly HistoryEntry[];
  readonly counts: ProcessCounts;
  /** Revisions with more than one transaction. */
  readonly groups: number;
}

/** Counts what happened in a run of lanes. */
export function countCalls<W>(world: World<W>, counted: Counted): void {
  countCommon(world, counted);
  const { attempts, counts } = counted;
  const reached = (situation: (typeof laneSituations)[number], times: number) =>
    world.reached(situation, times);
  reached('a late attempt was applied', attempts.counts.lateApplied);
  reached('a fence was lost', attempts.counts.fencesLost);
  reached('a lane was ended for want of space', attempts.counts.lanesEnded);
  reached('no-space was answered to what had been applied', attempts.counts.appliedWithoutSpace);
  reached('a lane was lost and opened anew', counts.lanesReopened);
  reached(
    'one was refused by its own compares while an earlier attempt was undecided',
    attempts.counts.declinedInDoubt,
  );
  reached('what may be repeated was sent again', attempts.counts.repeated);
  const releases = counted.calls.all.filter(({ isRepeatable, inOwnLane }) => isRepeatable && !inOwnLane);
  const told = new Set(releases.filter(({ reply }) => reply?.succeeded).map(({ sentAs }) => sentAs));
  const repeated = releases.filter(({ sentAs, reply }) => reply?.succeeded === false && !told.has(sentAs));
  reached('what was repeated had been applied before', repeated.length);
  const applied = appliedIn(counted.history);
  for (const call of counted.calls.all) {
    const situation = situationOf(call, applied.has(call.marker));
    if (situation !== undefined) reached(situation, 1);
  }
}

/** Counts what happens in runs of lanes and in runs of groups. */
export function countCommon<W>(world: World<W>, { calls, attempts, counts, groups }: Counted): void {
  const reached = (situation: (typeof common)[number], times: number) => world.reached(situation, times);
  reached('an attempt without a reply had been applied, as its lane showed', counts.resolvedByLane);
  reached('a late attempt was refused by its lane', attempts.counts.lateRefused);
  reached('a fence was won', attempts.counts.fencesWon);
  reached('a group was taken apart to find the guilty member', counts.split);
  reached('several shared a revision', groups);
  reached('one by itself was refused by its own compares', attempts.counts.declined);
  const recovered = calls.all.filter(
    (call) => showsWhenApplied(call) && call.reply && !attempts.answered.has(call.reply.revision),
  );
  reached('a reply was worked out from the past', recovered.length);
}

function showsWhenApplied(call: Call): boolean {
  return !call.isRead && !call.isRepeatable && !isDeclined(call);
}

function situationOf(call: Call, isApplied: boolean): (typeof laneSituations)[number] | undefined {
  const { error, settledAtMs } = call;
  if (settledAtMs === undefined) {
    return isApplied ? 'a process died before it heard that it had been served' : undefined;
  }
  if (error?.outcome !== 'unknown') return undefined;
  switch (error.code) {
    case 'compacted':
      return 'appliedAtRevision' in error.details
        ? 'history was compacted before a reply could be worked out'
        : 'history was compacted that would tell whether a group was applied';
    case 'aborted':
      return 'a call was called off in flight';
    case 'closed':
      return 'the store was closed with a call in flight';
    default:
      return isApplied ? 'a caller gave up what had been applied' : 'a caller gave up what was never applied';
  }
}

/** Every key that was ever put. */
function appliedIn(history: readonly HistoryEntry[]): ReadonlySet<string> {
  return new Set(history.flatMap(({ events }) => events.map(({ kv }) => kv.key)));
}

/** Counts what happened in a run of groups. */
export function countGroups<W>(world: World<W>, counted: Counted & { readonly largestGroup: number }): void {
  countCommon(world, counted);
  const { attempts, calls, largestGroup } = counted;
  const reached = (situation: (typeof groupSituations)[number]) => world.reached(situation);
  const called = new Map(calls.all.map((call) => [call.marker, call]));
  for (const markers of attempts.refusedGroups) {
    const members = markers.map((marker) => called.get(marker));
    const isRefused = members.some((call) => call?.error?.outcome === 'not-applied');
    if (isRefused && members.some((call) => call?.reply !== undefined)) {
      reached('a refused member next to one that was applied');
    }
  }
  for (const { isGuardedByAnchor, reply } of calls.all) {
    if (isGuardedByAnchor && reply?.succeeded === false) {
      reached('a lease had ended, and only its own member was refused');
    }
  }
  if (largestGroup >= fullGroup) reached('a full group');
}
