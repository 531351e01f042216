/** Whether sessions knew of their end before the server did. */
import type { Key, LeaseId } from '../store/index.js';
import { endOfBelief, type Standstill } from './beliefs.js';
import { describeLife, milliseconds } from './evidence.js';
import type { History, Life } from './history.js';
import { broken } from './sentences.js';

/** One session, as the process that opened it saw it. */
export interface SeenSession {
  readonly process: string;
  readonly leaseId: LeaseId;
  /** Its key: `session.anchor`. */
  readonly anchor: Key;
  /** True time at which it was opened. For people. */
  readonly openedAtMs?: number;
  /** True time at which the process stopped believing in it: the signal fired, it was closed, the process died. */
  readonly lostAtMs?: number;
  /** Somebody else revoked its lease or deleted its anchor, of which nobody can know beforehand. Default false. */
  readonly endedByOthers?: boolean;
}

export interface SessionCheck {
  /** With true times: without them nothing can be said, and nothing is counted as compared. */
  readonly history: History;
  readonly sessions: readonly SeenSession[];
  /** What a process needs to stop what it is doing, within the bound: between the loss and the end of the keys. Default 0. */
  readonly abortMs?: number;
  /** Everything had time to come to its end: then no key may be left on the lease of a session that is over. Default false. */
  readonly drained?: boolean;
  /** Times in which processes could not act on what they believed. */
  readonly standstills?: readonly Standstill[];
}

/** What was there to be checked. */
export interface SessionCounts {
  readonly sessions: number;
  /** Sessions whose anchor was deleted. */
  readonly ended: number;
  /** Sessions whose loss was held against the end of their keys. */
  readonly compared: number;
  /** Sessions that the process took for over. */
  readonly lost: number;
}

/**
 * Throws `InvariantBroken` for
 * - SESSION-1: the anchor, which only the end of the lease deletes, went before the process knew that its session was
 *   over, or less than `abortMs` after;
 * - SESSION-8 if `drained`: a key is left on the lease of a session that is over.
 */
export function checkSession(options: SessionCheck): SessionCounts {
  const { history, sessions, abortMs = 0, standstills = [] } = options;
  const left = options.drained ? standingByLease(history) : undefined;
  const counts = { sessions: sessions.length, ended: 0, compared: 0, lost: 0 };
  for (const session of sessions) {
    const anchor = history.livesOf(session.anchor).find(({ lease }) => lease === session.leaseId);
    const lostAtMs = endOfBelief({ process: session.process, toMs: session.lostAtMs }, standstills);
    const isOver = Number.isFinite(lostAtMs);
    if (isOver) counts.lost += 1;
    if (anchor !== undefined && Number.isFinite(anchor.to)) {
      counts.ended += 1;
      if (!session.endedByOthers && anchor.toMs !== undefined) {
        counts.compared += 1;
        if (lostAtMs + abortMs > anchor.toMs) tooLate(session, anchor, lostAtMs, abortMs);
      }
    }
    const keys = isOver ? left?.get(session.leaseId) : undefined;
    if (keys !== undefined) {
      broken('SESSION-8', `${describe(session)} is over, and left ${keys.map(describeLife).join(', ')}`);
    }
  }
  return counts;
}

function tooLate(session: SeenSession, anchor: Life, lostAtMs: number, abortMs: number): never {
  const known = Number.isFinite(lostAtMs)
    ? `it took itself for lost at ${milliseconds(lostAtMs)}`
    : 'it never knew';
  const before = abortMs > 0 ? `, which had to be ${milliseconds(abortMs)} before` : '';
  broken('SESSION-1', `${describe(session)}: its anchor was ${describeLife(anchor)}; ${known}${before}`);
}

/** The keys that stand at the end, by their lease. */
function standingByLease(history: History): ReadonlyMap<LeaseId, readonly Life[]> {
  const standing = new Map<LeaseId, Life[]>();
  for (const life of history.lives('')) {
    if (Number.isFinite(life.to)) continue;
    const keys = standing.get(life.lease);
    if (keys === undefined) standing.set(life.lease, [life]);
    else keys.push(life);
  }
  return standing;
}

function describe({ process, leaseId, openedAtMs }: SeenSession): string {
  const since = openedAtMs === undefined ? '' : `, opened at ${milliseconds(openedAtMs)}`;
  return `the session of ${process} on lease ${leaseId}${since}`;
}
