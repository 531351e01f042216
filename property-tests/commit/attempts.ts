import type { Engine } from '../../src/engine/index.js';
import { isQuorateError } from '../../src/errors.js';
import type { Key, Store, TxnReply, TxnRequest } from '../../src/store/index.js';
import { releasedIn } from './releases.js';

interface Attempt {
  readonly kind: 'group' | 'sole' | 'fence' | 'ending fence' | 'release' | 'other';
  /** The lane's key. */
  readonly lane: Key;
  /** Its sender has its answer, or has given it up. */
  isOver: boolean;
  wasApplied: boolean;
}

/** Replies that are not lost take no longer. */
const longestReplyMs = 60;

export interface AttemptsOptions {
  readonly engine: Engine;
  /** True time. */
  readonly nowMs: () => number;
  readonly lanePrefix: Key;
}

/** What lanes did, as somebody sees it who stands between them and the store, and behind the store. */
export interface AttemptCounts {
  fencesWon: number;
  fencesLost: number;
  /** Fences that ended their lane, for want of space to move it on. */
  lanesEnded: number;
  lateRefused: number;
  lateApplied: number;
  /** Groups that were applied, and answered with `no-space`. */
  appliedWithoutSpace: number;
  /** Members by themselves whose own compares did not hold, and those of them that had an attempt undecided then. */
  declined: number;
  declinedInDoubt: number;
  /** Transactions that went past the lanes again, as an attempt was undecided. */
  repeated: number;
}

/**
 * Follows every request that lanes send. Each attempt is given to the connection as an object of its own, so that one which
 * arrives after its sender has given it up is known as such.
 */
export class Attempts {
  readonly counts: AttemptCounts = {
    fencesWon: 0,
    fencesLost: 0,
    lanesEnded: 0,
    lateRefused: 0,
    lateApplied: 0,
    appliedWithoutSpace: 0,
    declined: 0,
    declinedInDoubt: 0,
    repeated: 0,
  };
  /** Revisions of groups whose reply arrived. */
  readonly answered = new Set<number>();
  /** Markers of the members of groups that the store refused as a whole. */
  readonly refusedGroups: (readonly Key[])[] = [];
  /** Markers of the transactions that were handed to a connection. */
  readonly sent = new Set<Key>();
  /** Lanes that do not know whether they were moved on, and since when. */
  readonly #inDoubt = new Map<Key, number>();
  readonly #nowMs: () => number;
  readonly #lanePrefix: Key;
  readonly #attempts = new WeakMap<TxnRequest, Attempt>();
  /** Requests, as lanes send them, that have an attempt of unknown outcome. */
  readonly #doubted = new WeakSet<TxnRequest>();

  constructor({ engine, nowMs, lanePrefix }: AttemptsOptions) {
    this.#lanePrefix = lanePrefix;
    this.#nowMs = nowMs;
    const apply = engine.txn.bind(engine);
    engine.txn = (request) => {
      const reply = apply(request);
      this.#arrived(request, reply);
      return reply;
    };
  }

  /** A lane under this prefix has sent a group whose reply is lost. */
  isInDoubt(prefix: Key): boolean {
    for (const [lane, sinceMs] of this.#inDoubt) {
      if (lane.startsWith(prefix) && this.#nowMs() - sinceMs > longestReplyMs) return true;
    }
    return false;
  }

  /** The store, with every request noted on its way. */
  over(store: Store): Store {
    const txn: Store['txn'] = async (request, options) => {
      const attempt = this.#attemptOf(request);
      const sent = { ...request };
      this.#attempts.set(sent, attempt);
      const markers = markersOf(attempt, request);
      if (attempt.kind === 'release' && this.#doubted.has(request)) this.counts.repeated += 1;
      for (const marker of markers) this.sent.add(marker);
      try {
        const reply = await store.txn(sent, options);
        this.#answered(attempt, request, reply);
        return reply;
      } catch (error) {
        if (attempt.wasApplied && isQuorateError(error, 'no-space')) this.counts.appliedWithoutSpace += 1;
        if (isQuorateError(error) && error.outcome === 'unknown') {
          this.#doubted.add(request);
          if (isGroup(attempt)) this.#inDoubt.set(attempt.lane, Number.NEGATIVE_INFINITY);
        }
        if (markers.length > 1 && isQuorateError(error) && error.outcome === 'not-applied') {
          this.refusedGroups.push(markers);
        }
        throw error;
      } finally {
        attempt.isOver = true;
      }
    };
    return new Proxy(store, {
      get: (target, name) => {
        if (name === 'txn') return txn;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }

  #attemptOf(request: TxnRequest): Attempt {
    const { compare, success, failure } = request;
    const attempt = { isOver: false, wasApplied: false };
    const [first, second] = success;
    if ((first?.type !== 'put' && first?.type !== 'delete') || !first.key.startsWith(this.#lanePrefix)) {
      return { ...attempt, kind: releasedIn(request) === undefined ? 'other' : 'release', lane: '' };
    }
    const lane = first.key;
    // The envelope of a group has no compares but the lane's, and nothing beside the lane where that does not hold.
    if (second?.type === 'txn' && compare.length <= 1 && failure.length === 1) {
      return { ...attempt, kind: 'group', lane };
    }
    if (second !== undefined) return { ...attempt, kind: 'sole', lane };
    if (compare[0]?.target !== 'mod') return { ...attempt, kind: 'other', lane };
    return { ...attempt, kind: first.type === 'delete' ? 'ending fence' : 'fence', lane };
  }

  #answered({ kind, lane }: Attempt, request: TxnRequest, reply: TxnReply): void {
    const { succeeded, revision } = reply;
    if (kind === 'other' || kind === 'release') return;
    if (isDeclined(request, reply)) {
      this.counts.declined += 1;
      if (this.#doubted.has(request)) this.counts.declinedInDoubt += 1;
      return;
    }
    this.#inDoubt.delete(lane);
    if (kind === 'group' || kind === 'sole') {
      if (succeeded) this.answered.add(revision);
    } else if (!succeeded) this.counts.fencesLost += 1;
    else if (kind === 'fence') this.counts.fencesWon += 1;
    else this.counts.lanesEnded += 1;
  }

  #arrived(request: TxnRequest, reply: TxnReply): void {
    const attempt = this.#attempts.get(request);
    if (attempt === undefined || !isGroup(attempt) || isDeclined(request, reply)) return;
    const { succeeded } = reply;
    attempt.wasApplied = succeeded;
    if (succeeded) this.#inDoubt.set(attempt.lane, this.#nowMs());
    if (!attempt.isOver) return;
    if (succeeded) this.counts.lateApplied += 1;
    else this.counts.lateRefused += 1;
  }
}

function isGroup({ kind }: Attempt): boolean {
  return kind === 'group' || kind === 'sole';
}

/** The lane stands where it should, so what did not hold is a compare of the member by itself. */
function isDeclined({ compare: [guard] }: TxnRequest, { succeeded, replies: [shown] }: TxnReply): boolean {
  if (succeeded || guard?.target !== 'mod' || shown?.type !== 'range') return false;
  return shown.kvs[0]?.modRevision === guard.operand;
}

/** What each member is known by: the first key that it puts, or what it releases. */
function markersOf({ kind }: Attempt, request: TxnRequest): readonly Key[] {
  const { compare, success, failure } = request;
  switch (kind) {
    case 'group':
      return success.flatMap((op) => (op.type === 'txn' ? markersIn(op) : []));
    case 'sole':
      return markersIn({ compare: compare.slice(1), success: success.slice(1), failure });
    case 'release':
      return markersIn(request);
    default:
      return [];
  }
}

function markersIn(member: TxnRequest): readonly Key[] {
  const [first] = member.success;
  if (first?.type === 'put') return [first.key];
  const released = releasedIn(member);
  return released === undefined ? [] : [released];
}
