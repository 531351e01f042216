/** Known bugs of writes that are sent again, of writes that travel together, and of who believes what about either. */
import type { Mutant } from './mutant.js';

const batch = 'src/commit/batch.ts';
const committer = 'src/commit/committer.ts';
const requests = 'src/commit/lane-requests.ts';
const writer = 'src/commit/lane-writer.ts';
const recovery = 'src/commit/reply-recovery.ts';
const repeat = 'src/commit/repeat.ts';

export const commitMutants: readonly Mutant[] = [
  {
    name: 'admission-without-ranges',
    file: 'src/commit/footprint.ts',
    find: 'if (op.revision === undefined || op.revision <= 0) add(op, into.readPoints, into.readRanges);',
    replace: '',
    story: 'members that range what others of their group write',
    killedBy: 'group-commit',
    invariant: 'COMMIT-1',
  },
  {
    name: 'admission-one-way',
    file: batch,
    find: 'this.#add(candidate.footprint);',
    replace: 'this.#add({ ...candidate.footprint, readPoints: [], readRanges: [] });',
    story:
      'a range answered with a revision in which a later member writes: a watch from the next one misses it',
    killedBy: 'group-commit',
    invariant: 'COMMIT-1',
  },
  {
    name: 'split-group-lost-by-halves',
    file: committer,
    find: '} else parts.unshift(...this.#settle(part, verdict));',
    replace: '} else parts.push(...this.#settle(part, verdict));',
    story: 'the parts of a refused group sent in another order than they were called in',
    killedBy: 'group-commit',
    invariant: 'COMMIT-1',
  },
  {
    name: 'guilt-by-association',
    file: committer,
    find: 'if (members.length > 1 && !isSameForAll(verdict.error))',
    replace: 'if (members.length > 126)',
    story: 'one member with a lease that is gone fails the whole batch',
    killedBy: 'group-commit',
    invariant: 'COMMIT-2',
  },
  {
    name: 'no-lane-guard',
    file: requests,
    find: 'return { compare: [guardOf(position)], success, failure: [showing(position)] };',
    replace: 'return { compare: [], success, failure: [showing(position)] };',
    story: 'jetcd 0.8.2 sent transactions again on UNAVAILABLE, and they ran twice (etcd #14890, #18424)',
    killedBy: 'lanes',
    invariant: 'COMMIT-2 COMMIT-4',
  },
  {
    name: 'missing-lane-passes-guard',
    file: requests,
    find: "return { key, target: 'mod', result: 'equal', operand: revision };",
    replace: "return { key, target: 'mod', result: 'less', operand: revision + 1 };",
    story: 'a guard that a missing lane passes too, as mod = 0 does',
    killedBy: 'lanes',
    invariant: 'COMMIT-2 COMMIT-4',
  },
  {
    name: 'resolve-by-reading',
    file: writer,
    find: 'if (!cargo.isWanted()) return this.#fence(position, sequence, cargo);',
    replace: `const look = await this.#sender.send(
        { compare: [], success: [{ type: 'range', key: position.key }], failure: [] },
        0,
      );
      if (look.reply !== undefined) {
        const value = shownLane(look.reply)?.value;
        if (value !== undefined && textOf(value) !== sequence) return fencedOff();
      }`,
    story:
      'Curator and Kazoo look for the node that a lost create may have made; it may be made after the look',
    killedBy: 'lanes',
    invariant: 'COMMIT-2 COMMIT-4',
  },
  {
    name: 'resend-without-guard',
    file: writer,
    find: 'this.#context.stats.resent += 1;',
    replace: 'this.#context.stats.resent += 1;\n      Object.assign(request, { compare: [] });',
    story: 'npm etcd3 sends any write again, and create(k) = 0 is believed to make that safe',
    killedBy: 'lanes',
    invariant: 'COMMIT-2 COMMIT-4',
  },
  {
    name: 'unknown-is-failure',
    file: writer,
    find: "if (kind === 'unknown' || mayBeAppliedThough(error)) undecided = true;",
    replace: 'if (mayBeAppliedThough(error)) undecided = true;',
    story: 'a lost reply taken for a request that failed',
    killedBy: 'lanes',
    invariant: 'COMMIT-2 COMMIT-4',
  },
  {
    name: 'timeout-is-failure',
    file: 'src/commit/member.ts',
    find: `  expire(): void {
    const outcome = this.#state === 'sent' ? 'unknown' : 'not-applied';`,
    replace: `  expire(): void {
    const outcome = 'not-applied';`,
    story:
      'a deadline that passed taken for a request that failed, as clients without outcomes leave it to their callers',
    killedBy: 'lanes',
    invariant: 'COMMIT-2 COMMIT-4',
  },
  {
    name: 'unknown-is-success',
    file: writer,
    find: 'const kind = kindOf(error);',
    replace: `const kind = kindOf(error);
      if (kind === 'unknown') return this.#applied(position.revision + 1, position, sequence);`,
    story: 'a lost reply taken for that of a request that was applied',
    killedBy: 'lanes',
    invariant: 'COMMIT-2',
  },
  {
    name: 'no-space-is-refusal',
    file: 'src/commit/failures.ts',
    find: "return isQuorateError(error, 'no-space');",
    replace: 'return false;',
    story:
      'etcd checks its quota, applies and answers no-space all the same; seen on etcd 3.4 with a small quota',
    killedBy: 'lanes',
    invariant: 'COMMIT-2 COMMIT-4',
  },
  {
    name: 'refusal-believed-while-in-doubt',
    file: writer,
    find: 'return this.#onceFenced(refused, undecided, position, sequence, cargo);',
    replace: 'return refused;',
    story:
      'what was refused now, for a lease that is not there yet, may pass a moment later with the attempt before',
    killedBy: 'lanes',
    invariant: 'COMMIT-2 COMMIT-4',
  },
  {
    name: 'fenced-though-applied',
    file: writer,
    find: 'return value === sequence ? this.#applied(shown.modRevision, position, sequence) : fencedOff();',
    replace: 'return fencedOff();',
    story: 'a fence that lost the race believed to have won it, and the group sent again',
    killedBy: 'lanes',
    invariant: 'COMMIT-2 COMMIT-4',
  },
  {
    name: 'lost-lane-believed-empty',
    file: writer,
    find: '    return this.#replay(position, sequence, cargo);',
    replace: '    return fencedOff();',
    story:
      'a lane that is gone taken for a group that never was: what "session expired, so nothing happened" means',
    killedBy: 'lanes',
    invariant: 'COMMIT-2',
  },
  {
    name: 'compaction-is-no-news',
    file: writer,
    find: 'return unknownFate(position.revision, change.compactRevision);',
    replace: 'return fencedOff();',
    story: 'history that is compacted taken for history in which nothing happened',
    killedBy: 'lanes',
    invariant: 'COMMIT-2',
  },
  {
    name: 'silence-at-the-compacted-revision',
    file: 'src/store/watch-start.ts',
    find: 'return Math.max(1, revision - 1);',
    replace: 'return revision;',
    story:
      'etcd says nothing of what was deleted at the compacted revision: a lane that went there was waited for without end',
    killedBy: 'lanes',
    invariant: 'not live',
  },
  {
    name: 'later-life-of-lane-believed',
    file: 'src/commit/lane-history.ts',
    find: 'if (kv === undefined || kv.createRevision > request.revision)',
    replace: 'if (kv === undefined)',
    story: 'a lane that was deleted and created anew taken for the one before: this library did',
    killedBy: 'lanes',
    invariant: 'COMMIT-2',
  },
  {
    name: 'reply-of-the-present',
    file: recovery,
    find: 'new PastState(context.store, stopper, group.revision - 1, context.attemptTimeoutMs)',
    replace: 'new PastState(context.store, stopper, 0, context.attemptTimeoutMs)',
    story:
      'a lost reply worked out from what is there now: a create that succeeded looks like one that did not (etcd Go, Mutex: ELSE get)',
    killedBy: 'lanes',
    invariant: 'COMMIT-1',
  },
  {
    name: 'reply-without-own-writes',
    file: recovery,
    find: "if (op.type !== 'range' || (!op.revision && meets(written, op))) return op;",
    replace: "if (op.type !== 'range') return op;",
    story: 'ranges see the writes before them in their own transaction',
    killedBy: 'group-commit',
    invariant: 'COMMIT-1',
  },
  {
    name: 'declined-while-in-doubt',
    file: writer,
    find: 'return this.#onceFenced(declined, undecided, position, sequence, cargo);',
    replace: 'return declined;',
    story:
      'compares that do not hold now believed of an attempt that is still on its way, for which they may hold',
    killedBy: 'lanes',
    invariant: 'COMMIT-2 COMMIT-4',
  },
  {
    name: 'any-else-is-a-decline',
    file: writer,
    find: 'if (sole && reply && shownLane(reply)?.modRevision === position.revision) {',
    replace: 'if (sole && reply) {',
    story:
      'etcd tells that a compare did not hold, not which: a create that was applied and sent again looks refused',
    killedBy: 'lanes',
    invariant: 'COMMIT-1 COMMIT-2 COMMIT-4',
  },
  {
    name: 'declined-writes-without-a-lane',
    file: requests,
    find: 'return members.length === 1 && !mayWrite((members[0] as TxnRequest).failure);',
    replace: 'return members.length === 1 && mayWrite(members[0]?.failure ?? []) !== undefined;',
    story: 'writes of an ELSE that do not move the lane: every late attempt does them once more',
    killedBy: 'lanes',
    invariant: 'COMMIT-2 COMMIT-4',
  },
  {
    name: 'any-write-repeatable',
    file: committer,
    find: 'return members.length === 1 && members[0]?.isRepeatable === true;',
    replace: 'return members.length === 1 && members[0]?.isRepeatable !== undefined;',
    story:
      'Spring and resilience4j retry whatever they are wrapped around: a create sent twice past the lanes',
    killedBy: 'lanes',
    invariant: 'COMMIT-2 COMMIT-3 COMMIT-4',
  },
  {
    name: 'repeated-without-its-compare',
    file: repeat,
    find: 'stats.resent += 1;',
    replace: 'stats.resent += 1;\n    Object.assign(member.request, { compare: [] });',
    story:
      'an unlock that deletes the key whatever it is by then: Redis locks without the check of the value (SET NX, DEL)',
    killedBy: 'lanes',
    invariant: 'COMMIT-1 COMMIT-2',
  },
  {
    name: 'repeated-and-forgotten',
    file: repeat,
    find: 'const kind = kindOf(error);',
    replace: `const kind = kindOf(error);
    if (kind === 'unknown') return { type: 'refused', error: asNotApplied(error) };`,
    story: 'a release whose reply was lost taken for one that failed, since it may be repeated at any time',
    killedBy: 'lanes',
    invariant: 'COMMIT-2',
  },
  {
    name: 'two-groups-in-flight',
    file: committer,
    find: 'const lane = this.#idle.pop();',
    replace: 'const lane = this.#idle.at(-1);',
    story: 'a pipeline in one lane: the second group may be applied where the first was not',
    killedBy: 'lanes',
    invariant: 'COMMIT-1',
  },
  {
    name: 'unknown-before-it-was-sent',
    file: committer,
    find: 'const shut = lane.isOpen || isRepeatable(wanted) ? undefined : await this.#open(lane, wanted);',
    replace: `for (const member of wanted) member.markSent();
      const shut = lane.isOpen || isRepeatable(wanted) ? undefined : await this.#open(lane, wanted);`,
    story:
      'a caller told unknown while a new lane was being opened, though nothing was sent: this library did',
    killedBy: 'lanes',
    invariant: 'COMMIT-3',
  },
];
