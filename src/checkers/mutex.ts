/**
 * Whether the grants of one lock are what its history allows. The lock's places are its truth: who holds it at a revision
 * is whose place is the oldest there. Everything is decided in one pass in the order of revisions, and nothing by what
 * processes believe, but for LOCK-9, which is about just that.
 */
import { invalidArgument } from '../errors.js';
import { type Key, textOf } from '../store/index.js';
import { checkDisjoint, type Standstill } from './beliefs.js';
import { atTime, describeLife, milliseconds } from './evidence.js';
import type { History, Life } from './history.js';
import { oldestInTurn, placesOf, proofOf, tenureAt } from './place-order.js';
import { broken } from './sentences.js';

/** One hold, as the process that was granted it saw it. */
export interface Grant {
  readonly process: string;
  /** The key of its place: `hold.guard().key`. */
  readonly place: Key;
  readonly token: number;
  /** True time at which `acquire` resolved. */
  readonly grantedAtMs?: number;
  /** True time at which the process stopped believing: it released, or the signal fired. Absent: it still believes. */
  readonly endedAtMs?: number;
  /** True time by which all writes made under it had a definite outcome: `release` resolved, and the hold was not lost. */
  readonly settledAtMs?: number;
}

export interface MutexCheck {
  readonly history: History;
  /** The prefix of the lock's places: `client.keys.prefix('lock', name)` and `l/`. */
  readonly line: Key;
  readonly grants: readonly Grant[];
  /** A key that is only written under the lock, with the decimal token of its hold as the value. */
  readonly resource?: Key;
  /** Nobody wants the lock any more at the end of the history: then no place may be left. Default false. */
  readonly drained?: boolean;
  /**
   * Clocks kept within their bound and nobody deleted places or revoked leases, so LOCK-9 is to hold. Every grant then needs
   * its times. Default false.
   */
  readonly beliefsMustNotOverlap?: boolean;
  /**
   * Grants were given out in the order of their tokens, which the deletion of a place by somebody else may upset: its
   * holder learns of it later. By `grantedAtMs` where all grants have it, else as they are listed. Default false.
   */
  readonly tokensInOrderOfGrant?: boolean;
  /** Times in which processes could not act on what they believed. */
  readonly standstills?: readonly Standstill[];
}

/** What was there to be checked. */
export interface MutexCounts {
  readonly grants: number;
  /** Places that were ever in the line. */
  readonly places: number;
  /** Places that were granted the lock at least once. */
  readonly grantedPlaces: number;
  /** Grants of places that had waited for an older one. */
  readonly waited: number;
  /** Grants beyond the first of their place. */
  readonly coalesced: number;
  /** Writes to the resource. */
  readonly writes: number;
  /** Beliefs that were held against each other. */
  readonly beliefs: number;
}

/**
 * Throws `InvariantBroken` for
 * - LOCK-1: at its proof revision, `floor(token / 1024)`, a grant's place did not stand, or an older one did, or a place was
 *   written twice; LOCK-10: it was handed to a place that did not wait;
 * - LOCK-7: the same, where the older place was granted the lock only after the younger one had gone: overtaken, not
 *   overlapped;
 * - LOCK-2: a token twice, or out of order if `tokensInOrderOfGrant`;
 * - LOCK-5: a write to `resource` of an older hold after one of a newer, by a hold that did not stand any more (or not
 *   yet), by none, or after its outcome had been settled;
 * - LOCK-9 if `beliefsMustNotOverlap`; LOCK-4 if `drained`.
 *
 * Errors: `invalid-argument` if a check was asked for and a grant lacks the times that it needs.
 */
export function checkMutex(options: MutexCheck): MutexCounts {
  const { history, line, grants, resource } = options;
  const places = placesOf(history, line, 'LOCK-1');
  const byToken = [...grants].sort((left, right) => left.token - right.token);
  const { grantedPlaces, waited } = checkProofs(history, places, byToken);
  checkTokens(byToken);
  if (options.tokensInOrderOfGrant) checkTokenOrder(grants);
  const writes = resource === undefined ? 0 : checkWrites(history, places, resource, byToken);
  const beliefs = options.beliefsMustNotOverlap ? checkBeliefs(grants, options.standstills ?? []) : 0;
  if (options.drained) checkDrained(places);
  const coalesced = grants.length - grantedPlaces;
  return { grants: grants.length, places: places.length, grantedPlaces, waited, coalesced, writes, beliefs };
}

function checkProofs(
  history: History,
  places: readonly Life[],
  byToken: readonly Grant[],
): { readonly grantedPlaces: number; readonly waited: number } {
  const oldestAt = oldestInTurn(places);
  const granted = new Set<Life>();
  let waited = 0;
  for (const grant of byToken) {
    const proof = proofOf(grant.token);
    const oldest = oldestAt(proof);
    const mine = oldest?.key === grant.place ? oldest : history.lifeAt(grant.place, proof);
    if (mine === undefined || oldest === undefined) {
      const lives =
        history.livesOf(grant.place).map(describeLife).join(', ') || `no place ${grant.place} ever was`;
      broken('LOCK-1', `${describeGrant(grant)}, but at that revision its place did not stand: ${lives}`);
    }
    if (oldest.from < mine.from) overtook(history, byToken, { grant, mine, oldest });
    granted.add(mine);
    if (proof > mine.from) waited += 1;
  }
  return { grantedPlaces: granted.size, waited };
}

/** An older place stood. Its holder held the lock too, unless its grants came only after this place had gone. */
function overtook(
  history: History,
  byToken: readonly Grant[],
  { grant, mine, oldest }: { readonly grant: Grant; readonly mine: Life; readonly oldest: Life },
): never {
  const first = byToken.find(
    ({ place, token }) => place === oldest.key && history.lifeAt(place, proofOf(token)) === oldest,
  );
  const story = `${describeGrant(grant)}, ${describeLife(mine)}, but at that revision an older place stood: ${describeLife(oldest)}`;
  if (first !== undefined && proofOf(first.token) >= mine.to) {
    broken('LOCK-7', `${story}, whose turn came only later: ${describeGrant(first)}`);
  }
  broken('LOCK-1', first === undefined ? story : `${story}, of ${describeGrant(first)}`);
}

function checkTokens(byToken: readonly Grant[]): void {
  for (const [index, grant] of byToken.entries()) {
    const before = byToken[index - 1];
    if (before?.token !== grant.token) continue;
    broken('LOCK-2', `two grants with one token: ${describeGrant(before)}, and ${describeGrant(grant)}`);
  }
}

function checkTokenOrder(grants: readonly Grant[]): void {
  const inTurn = grants.every(({ grantedAtMs }) => grantedAtMs !== undefined)
    ? [...grants].sort((a, b) => (a.grantedAtMs ?? 0) - (b.grantedAtMs ?? 0) || a.token - b.token)
    : grants;
  for (const [index, grant] of inTurn.entries()) {
    const before = inTurn[index - 1];
    if (before === undefined || before.token < grant.token) continue;
    broken('LOCK-2', `${describeGrant(grant)}, after ${describeGrant(before)}`);
  }
}

function checkWrites(
  history: History,
  places: readonly Life[],
  resource: Key,
  byToken: readonly Grant[],
): number {
  const oldestAt = oldestInTurn(places);
  const grants = new Map(byToken.map((grant) => [grant.token, grant]));
  let writes = 0;
  let newest = { token: 0, revision: 0 };
  for (const { type, kv } of history.eventsOf(resource)) {
    if (type === 'delete') continue;
    writes += 1;
    const revision = kv.modRevision;
    const token = Number(textOf(kv.value));
    const write = `${resource} was written at revision ${revision}${atTime(history.timeOf(revision))} with token ${textOf(kv.value)}`;
    if (!Number.isSafeInteger(token)) broken('LOCK-5', `${write}, which is none`);
    if (token < newest.token) {
      broken('LOCK-5', `${write}, after token ${newest.token} had written at revision ${newest.revision}`);
    }
    newest = { token, revision };
    const oldest = oldestAt(proofOf(token));
    const place = oldest && tenureAt(history, oldest, proofOf(token));
    // The guard is compared with the state before the write.
    if (place === undefined || proofOf(token) >= revision || place.to < revision) {
      const hold =
        place === undefined ? 'nobody held the lock then' : `its hold was that of ${describeLife(place)}`;
      broken('LOCK-5', `${write}, proved at revision ${proofOf(token)}; ${hold}`);
    }
    const settledAtMs = grants.get(token)?.settledAtMs;
    if (settledAtMs !== undefined && (history.timeOf(revision) ?? settledAtMs) > settledAtMs) {
      broken('LOCK-5', `${write}, though its outcome was settled at ${milliseconds(settledAtMs)}`);
    }
  }
  return writes;
}

function checkBeliefs(grants: readonly Grant[], standstills: readonly Standstill[]): number {
  const beliefs = grants.map((grant) => {
    const { process, grantedAtMs, endedAtMs } = grant;
    if (grantedAtMs === undefined) {
      throw invalidArgument(`grant ${grant.token} has no grantedAtMs`, 'times, for beliefsMustNotOverlap');
    }
    return { process, what: `token ${grant.token} by ${grant.place}`, fromMs: grantedAtMs, toMs: endedAtMs };
  });
  checkDisjoint('LOCK-9', beliefs, standstills);
  return beliefs.length;
}

function checkDrained(places: readonly Life[]): void {
  const left = places.filter(({ to }) => to === Number.POSITIVE_INFINITY);
  if (left.length > 0) broken('LOCK-4', `left in the line: ${left.map(describeLife).join(', ')}`);
}

function describeGrant({ process, place, token, grantedAtMs }: Grant): string {
  return `${process} was granted token ${token} (proof revision ${proofOf(token)}) by ${place}${atTime(grantedAtMs)}`;
}
