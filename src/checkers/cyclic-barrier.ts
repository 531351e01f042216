/**
 * Whether a cyclic barrier kept its promises. What it was, generation by generation, is what its key said, one write after the
 * other; who had arrived is what the keys of the members were at each revision. What callers were told is held against both.
 */
import { decodeGeneration, type Generation } from '../barriers/cyclic/generation.js';
import type { Key, KeyEvent } from '../store/index.js';
import { checkActions, type SeenAction } from './cyclic-actions.js';
import { CyclicMembers } from './cyclic-members.js';
import { checkTold, type ToldWait } from './cyclic-told.js';
import { atTime, describeLife } from './evidence.js';
import type { History } from './history.js';
import { broken } from './sentences.js';

export type { SeenAction } from './cyclic-actions.js';
export type { ToldWait as ToldCyclicWait } from './cyclic-told.js';

/** A call of `reset()`. */
export interface ResetCall {
  readonly beganAtMs: number;
  /** Absent: nobody knows when it took effect, if it did. */
  readonly endedAtMs?: number;
}

export interface CyclicBarrierCheck {
  readonly history: History;
  /** The prefix of all keys of the barrier. */
  readonly prefix: Key;
  /** What came of calls that waited; all times are of one clock, that of the history. */
  readonly waits: readonly ToldWait[];
  /** All runs of actions, where everybody who uses the barrier gives one. Absent: nobody does. */
  readonly actions?: readonly SeenAction[];
  /** All calls of `reset`. Absent: it is not asked who did. */
  readonly resets?: readonly ResetCall[];
  /** Nobody waits any more, and all have left: then no key of a member may be left. Default false. */
  readonly drained?: boolean;
}

export interface CyclicBarrierCounts {
  readonly passed: number;
  readonly broken: number;
  /** Generations that were made smaller for the dead, and larger again. */
  readonly shrunk: number;
  readonly grown: number;
  readonly reset: number;
  /** Arrivals that stood when the generation before theirs passed. */
  readonly carriedOver: number;
  readonly actions: number;
  readonly toldPassed: number;
  readonly toldBroken: number;
}

/** A write of the generation's key. */
export interface Step {
  readonly revision: number;
  readonly before: Generation;
  readonly after: Generation;
}

/**
 * Throws `InvariantBroken` for
 * - CYCLIC-1: a generation that passed, or was claimed, without as many arrivals as it takes; a number that was left out;
 * - CYCLIC-2: a caller that was told what its arrival was not, or before it was so, or twice for one arrival;
 * - CYCLIC-3, with `actions`: a generation that passed without its action, or with two, or before that was over;
 * - CYCLIC-4: a generation that was broken, or resized, for no cause that its policy has;
 * - CYCLIC-5 if `drained` and a member, or an elect, is left.
 */
export function checkCyclicBarrier(options: CyclicBarrierCheck): CyclicBarrierCounts {
  const { history, prefix, waits, actions, drained = false } = options;
  const members = new CyclicMembers(history, prefix);
  const steps = stepsOf(history, `${prefix}generation`);
  const counts = { passed: 0, broken: 0, shrunk: 0, grown: 0, reset: 0, carriedOver: 0 };
  for (const step of steps) {
    const { before, after } = step;
    if (after.generation === before.generation) {
      if (after.broken !== undefined) {
        counts.broken += 1;
        checkBreak(options, members, step);
      } else {
        checkResize(options, members, step);
        counts[after.required < before.required ? 'shrunk' : 'grown'] += 1;
      }
    } else if (after.generation === before.generation + 1 && after.last === 'passed') {
      counts.passed += 1;
      checkPass(options, members, step);
      const { since } = after;
      counts.carriedOver += members.arrivedAt(step.revision - 1, since).length;
    } else {
      counts.reset += 1;
      checkReset(options, members, step);
    }
  }
  checkLeaves(options, members);
  checkActions({ ...options, members, steps });
  const told = checkTold({ history, prefix, waits, steps, members });
  if (drained) checkDrained(history, prefix);
  return { ...counts, ...told, actions: actions?.length ?? 0 };
}

/** Where the key was deleted, or had not been there, the first record is no change of another. */
function stepsOf(history: History, key: Key): readonly Step[] {
  const steps: Step[] = [];
  let before: Generation | undefined;
  for (const event of history.eventsOf(key)) {
    const after: Generation | undefined = recordOf(event);
    if (before !== undefined && after !== undefined) {
      steps.push({ revision: event.kv.modRevision, before, after });
    }
    before = after;
  }
  return steps;
}

function recordOf(event: KeyEvent): Generation | undefined {
  return event.type === 'put' ? decodeGeneration(event.kv) : undefined;
}

/** CYCLIC-1. */
function checkPass({ history }: CyclicBarrierCheck, members: CyclicMembers, step: Step): void {
  const { before, after, revision } = step;
  const story = storyOf(history, step, 'passed');
  if (before.broken !== undefined) broken('CYCLIC-1', `${story}, and was broken`);
  if (after.since >= revision || after.since <= before.since) {
    broken('CYCLIC-1', `${story} up to arrivals of revision ${after.since}`);
  }
  const arrived = members.arrivedAt(after.since, before.since);
  if (arrived.length >= before.required) return;
  broken(
    'CYCLIC-1',
    `${story} with arrivals up to revision ${after.since}, when ${arrived.length} of ${before.required} had arrived: ${arrived.join(', ')}`,
  );
}

/** CYCLIC-4: what breaks one, and is in the same revision, or was so at a revision since the record before. */
function checkBreak({ history, prefix }: CyclicBarrierCheck, members: CyclicMembers, step: Step): void {
  const { before, after, revision } = step;
  const reason = after.broken?.reason;
  const story = storyOf(history, step, `was broken (${reason})`);
  if (before.broken !== undefined) broken('CYCLIC-4', `${story}, and had been so before`);
  const elect = history.livesOf(`${prefix}elect`).find(({ to }) => to === revision);
  if (reason === 'action-failed') {
    if (elect === undefined) broken('CYCLIC-4', `${story}, and nobody had claimed it`);
    return;
  }
  if (before.deadMembers !== 'break') broken('CYCLIC-4', `${story}, and the policy is ${before.deadMembers}`);
  if (reason === 'gave-up') {
    const gone = members.leftAt(revision);
    if (gone !== undefined && gone.arrivedAt > before.since) return;
    broken('CYCLIC-4', `${story}, and nobody left it who had arrived`);
  }
  const short = members
    .statesSince(before.mod, revision)
    .find(({ died, live }) => died > before.lost && live < before.required);
  if (reason === 'member-lost' && short !== undefined) return;
  broken('CYCLIC-4', `${story}, and no member was missed at any revision since ${before.mod}`);
}

/** CYCLIC-4. */
function checkResize({ history }: CyclicBarrierCheck, members: CyclicMembers, step: Step): void {
  const { before, after, revision } = step;
  const { required, parties } = before;
  const story = storyOf(history, step, `came to take ${after.required} in place of ${required}`);
  if (before.deadMembers !== 'shrink')
    broken('CYCLIC-4', `${story}, and the policy is ${before.deadMembers}`);
  const cause = members.statesSince(before.mod, revision).find(({ died, live }) => {
    const dead = died - before.lost;
    const fewer = dead > 0 && live < required && Math.max(1, live, required - dead) === after.required;
    const more = live > required && Math.min(parties, live) === after.required;
    return (fewer && after.lost === died) || (more && after.required > required);
  });
  if (cause === undefined) broken('CYCLIC-4', `${story}, for which there was no cause since ${before.mod}`);
}

/** CYCLIC-4: by somebody who called for it, or where nobody was left. */
function checkReset(options: CyclicBarrierCheck, members: CyclicMembers, step: Step): void {
  const { history, resets } = options;
  const { before, after, revision } = step;
  const story = storyOf(history, step, `was followed by generation ${after.generation}, ${after.last}`);
  if (after.generation !== before.generation + 1) broken('CYCLIC-1', story);
  if (after.required !== after.parties) broken('CYCLIC-4', `${story}, which takes ${after.required}`);
  if (resets === undefined || members.countAt(revision - 1) === 0) return;
  const atMs = history.timeOf(revision);
  const isAsked = resets.some(
    ({ beganAtMs, endedAtMs = Number.POSITIVE_INFINITY }) =>
      atMs === undefined || (beganAtMs <= atMs && atMs <= endedAtMs),
  );
  if (!isAsked) broken('CYCLIC-4', `${story}, which nobody had asked for`);
}

/** CYCLIC-4: by the policy `break`, who leaves a generation that it arrived in breaks it, unless an elect had it by then. */
function checkLeaves({ history, prefix }: CyclicBarrierCheck, members: CyclicMembers): void {
  const key = `${prefix}generation`;
  for (const { revision, arrival } of members.leavings) {
    const before = history.valueAt(key, revision - 1);
    const after = history.valueAt(key, revision);
    if (before === undefined || after === undefined) continue;
    const was = decodeGeneration(before);
    const isPending = was.broken === undefined && arrival.arrivedAt > was.since;
    if (was.deadMembers !== 'break' || !isPending || after.modRevision === revision) continue;
    const wasClaimed = history
      .livesOf(`${prefix}elect`)
      .some(({ from, to }) => from < revision && to > arrival.arrivedAt);
    if (wasClaimed) continue;
    broken(
      'CYCLIC-4',
      `${arrival.key} left generation ${was.generation} at revision ${revision}${atTime(history.timeOf(revision))}, and the others were not told`,
    );
  }
}

/** CYCLIC-5. */
function checkDrained(history: History, prefix: Key): void {
  const lives = [...history.lives(`${prefix}m/`), ...history.livesOf(`${prefix}elect`)];
  const left = lives.find(({ to }) => to === Number.POSITIVE_INFINITY);
  if (left !== undefined) broken('CYCLIC-5', `left behind: ${describeLife(left)}`);
}

function storyOf(history: History, { before, revision }: Step, what: string): string {
  return `generation ${before.generation} ${what} at revision ${revision}${atTime(history.timeOf(revision))}`;
}
