/**
 * Whether the terms of one election, and what observers were told of them, are what its history allows. Every win and
 * every proclamation is a write of the `leader` key, so the history shows those of candidates too that nobody heard of again.
 */
import { invalidArgument } from '../errors.js';
import { bytesOf, type Key, type KeyValue, textOf } from '../store/index.js';
import { checkDisjoint, type Standstill } from './beliefs.js';
import { atTime } from './evidence.js';
import type { History, Life } from './history.js';
import { checkLeaderKey, type LeaderWrites } from './leader-key.js';
import { checkObserver, type LeaderReport } from './observed-leaders.js';
import { placesOf, proofOf } from './place-order.js';
import { broken } from './sentences.js';

/** One term, as its leader saw it. */
export interface SeenTerm {
  readonly process: string;
  readonly term: number;
  /** The key of its place: `leadership.guard().key`. */
  readonly place: Key;
  /** `leadership.lastCheckpoint`, or its text. */
  readonly lastCheckpoint: Uint8Array | string | undefined;
  /** True time at which the process learnt that it leads. */
  readonly wonAtMs?: number;
  /** True time at which it stopped believing: it resigned, or the signal fired. Absent: it still believes. */
  readonly endedAtMs?: number;
}

/** What one observer was told, in order. */
export interface SeenByObserver {
  readonly views: readonly LeaderReport[];
  /** The term that it must have seen last, where it had time to. */
  readonly mustEndAt?: number;
}

export interface ElectionCheck {
  readonly history: History;
  /** The prefix of the election's keys: `client.keys.prefix('election', name)`. */
  readonly prefix: Key;
  readonly terms: readonly SeenTerm[];
  readonly observers?: readonly SeenByObserver[];
  /** Reads, from a checkpoint, the term that wrote it, if the leaders write it into them. */
  readonly termOfCheckpoint?: (value: Uint8Array) => number;
  /**
   * Clocks kept within their bound and nobody deleted places or revoked leases, so ELECTION-6 is to hold. Every term then
   * needs its times. Default false.
   */
  readonly beliefsMustNotOverlap?: boolean;
  /**
   * Leaders learnt of their terms in the order of these, which the deletion of a place by somebody else may upset. By
   * `wonAtMs` where all terms have it, else as they are listed. Default false.
   */
  readonly termsInOrderOfWin?: boolean;
  /** Times in which processes could not act on what they believed. */
  readonly standstills?: readonly Standstill[];
}

/** What was there to be checked. */
export interface ElectionCounts {
  readonly terms: number;
  /** Wins in the history, of leaders too of which no term was reported. */
  readonly wins: number;
  /** Wins by another place than the one before. */
  readonly handovers: number;
  readonly proclamations: number;
  readonly checkpoints: number;
  /** Terms that found a checkpoint. */
  readonly checkpointsFound: number;
  readonly views: number;
  /** Views that named a leader. */
  readonly leadersSeen: number;
  /** Views that said `unknown`. */
  readonly unknowns: number;
  /** Beliefs that were held against each other. */
  readonly beliefs: number;
}

/**
 * Throws `InvariantBroken` for
 * - ELECTION-1: in the state of a win its place did not stand, or an older one did, or a place was written twice; or a term
 *   was reported whose win is not in the history;
 * - ELECTION-2: a term twice, or out of order if `termsInOrderOfWin`;
 * - ELECTION-3: an observer was told what never was, or went back, or did not end at `mustEndAt`;
 * - ELECTION-4: the checkpoint that a leader found is not the one in the state of its win;
 * - ELECTION-5: `leader` was written, or deleted over the head of who leads, or a checkpoint written, by a term whose place
 *   did not stand;
 * - ELECTION-6 if `beliefsMustNotOverlap`.
 *
 * Errors: `invalid-argument` if a check was asked for and a term lacks the times that it needs.
 */
export function checkElection(options: ElectionCheck): ElectionCounts {
  const { history, prefix, terms, observers = [], termOfCheckpoint } = options;
  const places = placesOf(history, `${prefix}l/`, 'ELECTION-1');
  const leaders = checkLeaderKey(history, `${prefix}leader`, places);
  const checkpointsFound = checkTerms(history, `${prefix}state`, terms, leaders);
  checkOrder(terms, options.termsInOrderOfWin ?? false);
  const state = history.eventsOf(`${prefix}state`).filter(({ type }) => type === 'put');
  if (termOfCheckpoint) {
    for (const { kv } of state) checkCheckpoint(history, kv, termOfCheckpoint(kv.value), leaders);
  }
  const seen = { views: 0, leadersSeen: 0, unknowns: 0 };
  for (const [index, { views, mustEndAt }] of observers.entries()) {
    const counts = checkObserver({ history, leader: `${prefix}leader`, views, mustEndAt, index });
    seen.views += views.length;
    seen.leadersSeen += counts.leadersSeen;
    seen.unknowns += counts.unknowns;
  }
  const beliefs = options.beliefsMustNotOverlap ? checkBeliefs(terms, options.standstills ?? []) : 0;
  const { wins, handovers, proclamations } = leaders;
  return {
    ...{ terms: terms.length, wins: wins.size, handovers, proclamations },
    ...{ checkpoints: state.length, checkpointsFound, ...seen, beliefs },
  };
}

/** ELECTION-1 of what was reported, and ELECTION-4. Answers how many found a checkpoint. */
function checkTerms(
  history: History,
  stateKey: Key,
  terms: readonly SeenTerm[],
  { wins }: LeaderWrites,
): number {
  let found = 0;
  for (const seen of terms) {
    const won = proofOf(seen.term);
    const winner = wins.get(won);
    if (winner?.key !== seen.place) {
      const what = winner ? `that is the win of ${winner.key}` : 'at that revision nobody won';
      broken('ELECTION-1', `${describeTerm(seen)}, but ${what}`);
    }
    const checkpoint = history.valueAt(stateKey, won);
    if (checkpoint !== undefined) found += 1;
    if (textOfCheckpoint(checkpoint?.value) === textOfCheckpoint(seen.lastCheckpoint)) continue;
    const newest = checkpoint && `${show(checkpoint.value)} of revision ${checkpoint.modRevision}`;
    broken(
      'ELECTION-4',
      `${describeTerm(seen)} and found ${show(seen.lastCheckpoint)}, but the newest was ${newest ?? 'none'}`,
    );
  }
  return found;
}

function checkOrder(terms: readonly SeenTerm[], inOrderOfWin: boolean): void {
  const byTerm = [...terms].sort((left, right) => left.term - right.term);
  for (const [index, seen] of byTerm.entries()) {
    const before = byTerm[index - 1];
    if (before?.term === seen.term)
      broken('ELECTION-2', `${describeTerm(before)}, and ${describeTerm(seen)}`);
  }
  if (!inOrderOfWin) return;
  const inTurn = terms.every(({ wonAtMs }) => wonAtMs !== undefined)
    ? [...terms].sort((a, b) => (a.wonAtMs ?? 0) - (b.wonAtMs ?? 0) || a.term - b.term)
    : terms;
  for (const [index, seen] of inTurn.entries()) {
    const before = inTurn[index - 1];
    if (before !== undefined && before.term >= seen.term) {
      broken('ELECTION-2', `${describeTerm(seen)}, after ${describeTerm(before)}`);
    }
  }
}

/** The guard of a checkpoint is compared with the state before it: its term had begun, and its place stood. */
function checkCheckpoint(history: History, kv: KeyValue, term: number, { wins }: LeaderWrites): void {
  const revision = kv.modRevision;
  const winner: Life | undefined = wins.get(proofOf(term));
  if (winner !== undefined && proofOf(term) < revision && revision <= winner.to) return;
  const story = `the checkpoint ${show(kv.value)} of term ${term} was written at revision ${revision}${atTime(history.timeOf(revision))}`;
  if (winner === undefined) broken('ELECTION-5', `${story}, but nobody won that term`);
  broken('ELECTION-5', `${story}, but its place ${winner.key} was deleted at revision ${winner.to}`);
}

function checkBeliefs(terms: readonly SeenTerm[], standstills: readonly Standstill[]): number {
  const beliefs = terms.map(({ process, term, place, wonAtMs, endedAtMs }) => {
    if (wonAtMs === undefined) {
      throw invalidArgument(`term ${term} has no wonAtMs`, 'times, for beliefsMustNotOverlap');
    }
    return { process, what: `term ${term} by ${place}`, fromMs: wonAtMs, toMs: endedAtMs };
  });
  checkDisjoint('ELECTION-6', beliefs, standstills);
  return beliefs.length;
}

/** Every byte as one character, so that what is not text can be compared too. */
function textOfCheckpoint(value: Uint8Array | string | undefined): string | undefined {
  return value === undefined ? undefined : Buffer.from(bytesOf(value)).toString('latin1');
}

function show(value: Uint8Array | string | undefined): string {
  return value === undefined ? 'none' : JSON.stringify(textOf(bytesOf(value)).slice(0, 80));
}

function describeTerm({ process, term, place, wonAtMs }: SeenTerm): string {
  return `${process} won term ${term} (revision ${proofOf(term)}) by ${place}${atTime(wonAtMs)}`;
}
