/** Whether a gate let through whom it should, and was closed and opened by whom it should. Decided by the history of its one key. */
import { decodeGate } from '../barriers/gate-record.js';
import { type Key, type LeaseId, prefixRange } from '../store/index.js';
import { describeLife, milliseconds } from './evidence.js';
import type { History, Life } from './history.js';
import { broken } from './sentences.js';

/** A wait that returned, by true time. */
export interface SeenWait {
  readonly process: string;
  readonly calledAtMs: number;
  readonly returnedAtMs: number;
}

/** A call that was told that it has closed the gate. */
export interface SeenClosing {
  readonly process: string;
  readonly revision: number;
  /** `'0'` for one that stands whatever becomes of who closed it. */
  readonly lease: LeaseId;
}

/** A call that was to open the gate. */
export interface SeenOpening {
  readonly process: string;
  readonly calledAtMs: number;
  /** It was to open what stood by this time. Absent: no limit. */
  readonly askedByMs?: number;
  /** It was to open only what was closed at this revision. */
  readonly closedAt?: number;
  /** It was to open only what the client of this label had closed. */
  readonly by?: string;
}

export interface BarrierCheck {
  readonly history: History;
  readonly gate: Key;
  readonly waits: readonly SeenWait[];
  readonly closings: readonly SeenClosing[];
  readonly openings: readonly SeenOpening[];
  /** Somebody deleted this key, or may have. Default: none. */
  readonly takenAway?: (life: Life) => boolean;
}

export interface BarrierCounts {
  /** Times that it was closed. */
  readonly closed: number;
  /** Of those, the ones that ended with a lease. */
  readonly endedByLease: number;
  /** Times that it was closed again within 20 ms after it was opened. */
  readonly closedAgain: number;
  readonly waits: number;
  /** Waits that came while it was closed. */
  readonly waited: number;
}

const atOnceMs = 20;

/**
 * Throws `InvariantBroken` for
 * - BARRIER-1: a wait that returned though the gate had been closed from before its call until after it returned;
 * - BARRIER-3: a gate that was written while it stood; a closing that the history does not have, or on another lease; an end that no
 *   opening, no end of its lease, and nobody with a command line explains.
 */
export function checkBarrier(options: BarrierCheck): BarrierCounts {
  const { history, gate, waits, closings } = options;
  const lives = history.livesOf(gate);
  const closedAt = (ms: number) =>
    lives.find(({ fromMs = 0, toMs = Number.POSITIVE_INFINITY }) => fromMs < ms && ms < toMs);
  for (const wait of waits) checkWait(lives, wait);
  for (const life of lives) {
    if (life.puts > 1) broken('BARRIER-3', `${describeLife(life)} was written ${life.puts} times`);
  }
  for (const { process, revision, lease } of closings) {
    const life = lives.find(({ from }) => from === revision);
    if (life?.lease === lease) continue;
    const what = life === undefined ? 'but nobody did' : `but that was ${describeLife(life)}`;
    broken(
      'BARRIER-3',
      `${process} was told that it closed the gate at revision ${revision} on lease ${lease}, ${what}`,
    );
  }
  const ends = lives
    .filter(({ to }) => Number.isFinite(to))
    .map((life) => ({ life, by: endOf(options, life) }));
  return {
    closed: lives.length,
    endedByLease: ends.filter(({ by }) => by === 'lease').length,
    closedAgain: lives.filter(
      ({ fromMs = 0 }, at) => at > 0 && fromMs - (lives[at - 1]?.toMs ?? 0) < atOnceMs,
    ).length,
    waits: waits.length,
    waited: waits.filter(({ calledAtMs }) => closedAt(calledAtMs) !== undefined).length,
  };
}

function checkWait(lives: readonly Life[], { process, calledAtMs, returnedAtMs }: SeenWait): void {
  const standing = lives.find(
    ({ fromMs = 0, toMs = Number.POSITIVE_INFINITY }) => fromMs < calledAtMs && toMs > returnedAtMs,
  );
  if (standing === undefined) return;
  const when = `from ${milliseconds(calledAtMs)} to ${milliseconds(returnedAtMs)}`;
  broken('BARRIER-1', `${process} waited ${when} and was let through ${describeLife(standing)}`);
}

/** By what it ended. */
function endOf({ history, openings, takenAway }: BarrierCheck, life: Life): 'call' | 'lease' | 'deed' {
  const { key, from, to, fromMs = 0, toMs = 0, lease } = life;
  const kv = history.valueAt(key, from);
  const label = kv && decodeGate(kv)?.label;
  const opening = openings.find(
    ({ calledAtMs, askedByMs = Number.POSITIVE_INFINITY, closedAt = from, by = label }) => {
      return closedAt === from && by === label && calledAtMs <= toMs && fromMs <= askedByMs;
    },
  );
  if (opening !== undefined) return 'call';
  if (takenAway?.(life)) return 'deed';
  // A session's own key goes with its lease, if it has not gone before.
  const standsOn = history
    .keysIn(prefixRange(''))
    .some((other) =>
      history.livesOf(other).some((one) => one.lease === lease && one.from < to && one.to > to),
    );
  if (lease !== '0' && !standsOn) return 'lease';
  return broken('BARRIER-3', `nobody had asked to open ${describeLife(life)}, and its lease had not ended`);
}
