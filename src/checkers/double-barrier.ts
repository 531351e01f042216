/** Whether rounds of a double barrier were let in and over when they should. Decided by the history, but for what was told. */
import type { DeadMembers } from '../barriers/dead-members.js';
import { decodeRound, type Round } from '../barriers/double/round.js';
import type { Key, KeyValue } from '../store/index.js';
import { describeLife, milliseconds } from './evidence.js';
import type { History, Life } from './history.js';
import { broken } from './sentences.js';

/** A member that was let in, as its caller was told. */
export interface SeenEntry {
  readonly process: string;
  readonly member: Key;
  /** Revision at which it came. */
  readonly created: number;
  readonly round: number;
  readonly toldAtMs: number;
}

/** What was told of a round to one who left it, or waited to enter it. */
export interface SeenRound {
  readonly process: string;
  readonly round: number;
  readonly toldAtMs: number;
}

/** Somebody who was told that the round was full. */
export interface SeenRefusal extends SeenRound {
  readonly calledAtMs: number;
}

export interface DoubleBarrierCheck {
  readonly history: History;
  /** The prefix of all its keys. */
  readonly prefix: Key;
  readonly size: number;
  readonly deadMembers: DeadMembers;
  readonly entries: readonly SeenEntry[];
  /** Told that all have left. */
  readonly exits: readonly SeenRound[];
  /** Told that the round is broken. */
  readonly breaks: readonly SeenRound[];
  readonly refusals: readonly SeenRefusal[];
  /** Nobody waits or is inside any more: then no key of theirs may be left. Default false. */
  readonly drained?: boolean;
}

export interface DoubleBarrierCounts {
  /** Rounds that were let in. */
  readonly letIn: number;
  /** Rounds that were over. */
  readonly over: number;
  readonly broken: number;
  readonly died: number;
  readonly withdrawn: number;
  /** Members let in while more of the same phase waited. */
  readonly queued: number;
}

interface Written extends Round {
  readonly atMs: number;
}

/** The end of a member: by its own hand, or not. */
interface Stood extends Life {
  readonly end: 'stands' | 'left' | 'died';
}

/**
 * Throws `InvariantBroken` for
 * - DOUBLE-1: a round let in with other than as many members as it takes, counted as the policy counts; or though one had
 *   withdrawn since all were there; somebody told to be inside who is not of that round, or before it was let in;
 * - DOUBLE-2: a round that was over while a member was inside, or, with `break`, after one had died; told before;
 * - DOUBLE-3: a round that was broken with another policy, or without a death; told where it was not; a next round that began while
 *   somebody was left who had to be told;
 * - DOUBLE-4: a refusal while no round was full;
 * - DOUBLE-5 if `drained` and a key is left.
 */
export function checkDoubleBarrier(check: DoubleBarrierCheck): DoubleBarrierCounts {
  const { history, prefix, drained = false } = check;
  const states = statesOf(history, `${prefix}state`);
  const members = history.lives(`${prefix}p/`).map((life) => stoodOf(history, life));
  for (const [at, now] of states.entries()) checkTransition(check, members, states[at - 1], now);
  checkToldOf(check, states);
  const left = [...members, ...history.lives(`${prefix}q/`)].find(({ to }) => !Number.isFinite(to));
  if (drained && left !== undefined) broken('DOUBLE-5', `left at the end: ${describeLife(left)}`);
  const letIn = states.filter(({ phase }) => phase === 'inside');
  return {
    letIn: letIn.length,
    over: states.filter(({ phase }, at) => phase === 'entering' && states[at - 1]?.phase === 'inside').length,
    broken: states.filter(({ phase }) => phase === 'broken').length,
    died: members.filter(({ end }) => end === 'died').length,
    withdrawn: members.filter(({ end, to }) => end === 'left' && isBeforeEntry(states, to)).length,
    queued: letIn.filter(({ mod, upTo }) => standingAt(members, mod - 1).some(({ from }) => from > upTo))
      .length,
  };
}

function isBeforeEntry(states: readonly Written[], revision: number): boolean {
  return states.findLast(({ mod }) => mod < revision)?.phase === 'entering';
}

function statesOf(history: History, key: Key): readonly Written[] {
  return history.eventsOf(key).flatMap(({ type, kv }) => stateIn(history, type === 'put' ? kv : undefined));
}

function stateIn(history: History, kv: KeyValue | undefined): readonly Written[] {
  const round = decodeRound(kv);
  return round === undefined ? [] : [{ ...round, atMs: history.timeOf(round.mod) ?? 0 }];
}

/**
 * Whoever leaves puts a key beside it, whatever that is: the end of a lease, and a deletion by somebody else, put none. That it puts
 * the number of those who left is what the barrier goes by, and may be what is wrong.
 */
function stoodOf(history: History, life: Life): Stood {
  if (!Number.isFinite(life.to)) return { ...life, end: 'stands' };
  const events = history.entryAt(life.to)?.events ?? [];
  return { ...life, end: events.some(({ type }) => type === 'put') ? 'left' : 'died' };
}

function standingAt(members: readonly Stood[], revision: number): readonly Stood[] {
  return members.filter(({ from, to }) => from <= revision && revision < to);
}

function checkTransition(
  check: DoubleBarrierCheck,
  members: readonly Stood[],
  before: Written | undefined,
  now: Written,
): void {
  const what = `round ${now.round} became ${now.phase} at revision ${now.mod}`;
  if (before === undefined) {
    if (now.phase !== 'entering') broken('DOUBLE-1', `${what}, and there was nothing before`);
    return;
  }
  if (now.phase === 'inside') checkLetIn(check, members, before, now);
  else if (now.phase === 'broken') checkBreak(check, members, before, now);
  else if (before.phase === 'inside') checkOver(check, members, before, now);
  else {
    const waitedFor = standingAt(members, now.mod - 1).find(({ from }) => from < before.mod);
    if (waitedFor !== undefined) broken('DOUBLE-3', `${what}, and ${describeLife(waitedFor)} had not gone`);
  }
}

/**
 * Deaths before it have had their consequence: the last time that nobody was there, or the state before the last round began, since
 * whoever began that may have looked just after it.
 */
function accountedFrom({ history, prefix }: DoubleBarrierCheck, before: number): number {
  const last = (key: Key) => history.eventsOf(key).findLast(({ kv }) => kv.modRevision < before);
  const states = statesOf(history, `${prefix}state`).filter(({ mod }) => mod < before);
  const begun = states.findLastIndex(({ phase }) => phase === 'entering');
  return Math.max(last(`${prefix}e`)?.kv.modRevision ?? 0, states[begun - 1]?.mod ?? 0);
}

/** DOUBLE-1. */
function checkLetIn(
  check: DoubleBarrierCheck,
  members: readonly Stood[],
  before: Written,
  now: Written,
): void {
  const { size, deadMembers } = check;
  const what = `round ${now.round} was let in at revision ${now.mod}, up to ${now.upTo}`;
  if (before.phase !== 'entering' || before.round !== now.round) {
    broken('DOUBLE-1', `${what}, and before it round ${before.round} was ${before.phase}`);
  }
  const its = members.filter(({ from }) => from > before.upTo && from <= now.upTo);
  const standing = standingAt(its, now.mod - 1);
  const since = accountedFrom(check, now.mod);
  const died = its.filter(({ end, to }) => end === 'died' && to < now.mod && to > since);
  const others = members.filter(
    ({ end, from, to }) => end === 'died' && to > since && to < now.mod && from > now.upTo,
  );
  if (deadMembers === 'shrink') {
    if (standing.length <= Math.max(1, size) && standing.length + died.length + others.length >= size) return;
    broken('DOUBLE-1', `${what}, with ${standing.length} of ${size} there, and ${died.length} dead`);
  }
  // Those who died after they had all been seen there, the last first.
  const late = died.map(({ to }) => to).sort((one, other) => other - one);
  for (let missing = 0; missing <= late.length; missing += 1) {
    if (standing.length + missing !== size) continue;
    const seenBefore = missing === 0 ? now.mod : (late[missing - 1] ?? 0);
    const gone = its.find(({ end, to }) => end === 'left' && to >= seenBefore && to < now.mod);
    if (gone === undefined) return;
    broken('DOUBLE-1', `${what}, although ${describeLife(gone)} had withdrawn`);
  }
  broken('DOUBLE-1', `${what}, with ${standing.length} of ${size} there`);
}

/** DOUBLE-2. */
function checkOver(
  check: DoubleBarrierCheck,
  members: readonly Stood[],
  before: Written,
  now: Written,
): void {
  const what = `round ${before.round} was over at revision ${now.mod}`;
  if (now.round !== before.round + 1) broken('DOUBLE-2', `${what}, and the next one is ${now.round}`);
  const inside = standingAt(members, now.mod - 1).find(({ from }) => from <= before.upTo);
  if (inside !== undefined) broken('DOUBLE-2', `${what}, and inside was ${describeLife(inside)}`);
  const since = accountedFrom(check, now.mod);
  const dead = members.find(
    ({ from, to, end }) =>
      from <= before.upTo && end === 'died' && to > Math.max(since, before.mod) && to < now.mod,
  );
  if (check.deadMembers !== 'break' || dead === undefined) return;
  broken('DOUBLE-2', `${what}, and ${describeLife(dead)} had died in it`);
}

/** DOUBLE-3. */
function checkBreak(
  check: DoubleBarrierCheck,
  members: readonly Stood[],
  before: Written,
  now: Written,
): void {
  const what = `round ${now.round} was broken at revision ${now.mod}`;
  if (before.round !== now.round || before.phase === 'broken')
    broken('DOUBLE-3', `${what}, and was not there`);
  const since = accountedFrom(check, now.mod);
  const dead = members.find(({ to, end }) => end === 'died' && to > since && to < now.mod);
  if (check.deadMembers === 'break' && dead !== undefined) return;
  broken('DOUBLE-3', `${what}, with the policy ${check.deadMembers}, and nobody had died in it`);
}

function checkToldOf(check: DoubleBarrierCheck, states: readonly Written[]): void {
  const { history, entries, exits, breaks, refusals } = check;
  const find = (round: number, phase: Round['phase'], toldAtMs: number) =>
    states.find((state) => state.round === round && state.phase === phase && state.atMs <= toldAtMs);
  for (const { process, member, created, round, toldAtMs } of entries) {
    const story = `${process} was told at ${milliseconds(toldAtMs)} that ${member} is inside round ${round}`;
    const state = find(round, 'inside', toldAtMs);
    if (state === undefined) broken('DOUBLE-1', `${story}, which had not been let in`);
    const before = states[states.indexOf(state) - 1];
    const isOfIt = created > (before?.upTo ?? 0) && created <= state.upTo;
    if (isOfIt && history.livesOf(member).some(({ from }) => from === created)) continue;
    broken('DOUBLE-1', `${story}, of those up to ${state.upTo}, and it came at revision ${created}`);
  }
  for (const { process, round, toldAtMs } of exits) {
    const next = find(round + 1, 'entering', toldAtMs);
    const before = next && states[states.indexOf(next) - 1];
    if (before?.phase === 'inside') continue;
    broken(
      'DOUBLE-2',
      `${process} was told at ${milliseconds(toldAtMs)} that round ${round} is over, and it was ${before?.phase ?? 'not'}`,
    );
  }
  for (const { process, round, toldAtMs } of breaks) {
    if (find(round, 'broken', toldAtMs) !== undefined) continue;
    broken(
      'DOUBLE-3',
      `${process} was told at ${milliseconds(toldAtMs)} that round ${round} is broken, and it was not`,
    );
  }
  for (const { process, round, calledAtMs, toldAtMs } of refusals) {
    const full = find(round, 'inside', toldAtMs);
    const end = full && states[states.indexOf(full) + 1];
    if (full !== undefined && (end === undefined || end.atMs >= calledAtMs)) continue;
    broken(
      'DOUBLE-4',
      `${process} was refused from ${milliseconds(calledAtMs)} to ${milliseconds(toldAtMs)}, and round ${round} was not full then`,
    );
  }
}
