/**
 * Whether the grants of one semaphore are what its history allows. Its places and its limit are the truth: a place holds
 * from the revision at which its weight and those of all older places were within the limit. Everything is decided in one
 * pass in the order of revisions, and nothing by what processes believe, but that two of them believe in one place.
 */
import { type Key, textOf } from '../store/index.js';
import { checkDisjoint, type Standstill } from './beliefs.js';
import { atTime, describeLife, milliseconds } from './evidence.js';
import type { History, Life } from './history.js';
import { placesOf, proofOf } from './place-order.js';
import { broken } from './sentences.js';

/** One hold, as the process that was granted it saw it. */
export interface SemaphoreGrant {
  readonly process: string;
  /** The key of its place: `hold.guard().key`. */
  readonly place: Key;
  readonly weight: number;
  readonly token: number;
  /** True time at which `acquire` resolved. */
  readonly grantedAtMs?: number;
  /** True time at which the process stopped believing: it released, or the signal fired. Absent: it still believes. */
  readonly endedAtMs?: number;
  /** True time by which all writes made under it had a definite outcome: `release` resolved, and the hold was not lost. */
  readonly settledAtMs?: number;
}

/** A request that was refused with `over-limit`. */
export interface SemaphoreRefusal {
  readonly process: string;
  readonly weight: number;
  /** `error.details`: the limit that was seen, and the revision of the state in which it was. */
  readonly limit: number;
  readonly revision: number;
  /** True time of the call. */
  readonly askedAtMs?: number;
}

export interface SemaphoreCheck {
  readonly history: History;
  /** `client.keys.prefix('semaphore', name)`. */
  readonly prefix: Key;
  readonly grants: readonly SemaphoreGrant[];
  readonly refusals?: readonly SemaphoreRefusal[];
  /** A key that is only written under holds, with `{token} {place}` as the value. */
  readonly resource?: Key;
  /** Nobody wants permits any more at the end of the history: then no place may be left. Default false. */
  readonly drained?: boolean;
  /** Times in which processes could not act on what they believed. */
  readonly standstills?: readonly Standstill[];
}

/** What was there to be checked. */
export interface SemaphoreCounts {
  readonly grants: number;
  /** Places that were ever in the line. */
  readonly places: number;
  /** Places that were granted permits at least once. */
  readonly grantedPlaces: number;
  /** Places that were granted them after having waited. */
  readonly waited: number;
  /** Grants beyond the first of their place. */
  readonly coalesced: number;
  /** Proofs at which older places stood that held as well. */
  readonly sideBySide: number;
  /** Writes to the resource. */
  readonly writes: number;
}

/**
 * Throws `InvariantBroken` for
 * - SEMAPHORE-1: at its proof revision, `floor(token / 1024)`, a grant's place did not stand, or there was no limit, or the
 *   weights up to it were above it; or a place was written twice, or grants more than it weighs;
 * - SEMAPHORE-2: the same, where those who held were within the limit, but an older place that waited was passed;
 * - SEMAPHORE-3: grants of one place with one token, of different proofs, or believed in at a time;
 * - SEMAPHORE-4: a refusal whose weight was not above the limit, at a revision that was past when it was asked for;
 * - LOCK-5: a write to `resource` by a hold that did not stand, after one of a later grant of its place, or after its
 *   outcome had been settled; LOCK-4 if `drained`.
 */
export function checkSemaphore(options: SemaphoreCheck): SemaphoreCounts {
  const { history, prefix, grants, resource, refusals = [], standstills = [] } = options;
  const line = `${prefix}l/`;
  const places = placesOf(history, line, 'SEMAPHORE-1')
    .filter(({ key }) => weightOf(key) !== undefined)
    .sort((left, right) => left.from - right.from || (left.key < right.key ? -1 : 1));
  const byToken = [...grants].sort((left, right) => left.token - right.token);
  const { grantsOf, waited, sideBySide } = checkProofs(history, `${prefix}cfg`, places, byToken);
  for (const [place, own] of grantsOf) checkPlace(place, own, standstills);
  for (const refusal of refusals) checkRefusal(history, `${prefix}cfg`, refusal);
  const writes = resource === undefined ? 0 : checkWrites(history, resource, byToken);
  const left = places.filter(({ to }) => to === Number.POSITIVE_INFINITY);
  if (options.drained && left.length > 0) {
    broken('LOCK-4', `left in the line: ${left.map(describeLife).join(', ')}`);
  }
  const coalesced = grants.length - grantsOf.size;
  const counts = { grants: grants.length, places: places.length, grantedPlaces: grantsOf.size };
  return { ...counts, waited, coalesced, sideBySide, writes };
}

function weightOf(key: Key): number | undefined {
  const weight = decimal(key.slice(key.lastIndexOf('.') + 1));
  return weight === 0 ? undefined : weight;
}

/** What a semaphore's limit is at a revision; undefined: there is none. */
export function limitAt(history: History, limitKey: Key, revision: number): number | undefined {
  const kv = history.valueAt(limitKey, revision);
  return kv && decimal(textOf(kv.value).trim());
}

function decimal(text: string): number | undefined {
  const value = /^[0-9]+$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(value) ? value : undefined;
}

function checkProofs(
  history: History,
  limitKey: Key,
  places: readonly Life[],
  byToken: readonly SemaphoreGrant[],
) {
  const grantsOf = new Map<Life, SemaphoreGrant[]>();
  let [waited, sideBySide, next] = [0, 0, 0];
  let standing: Life[] = [];
  for (const grant of byToken) {
    const proof = proofOf(grant.token);
    while ((places[next]?.from ?? Number.POSITIVE_INFINITY) <= proof) {
      standing.push(places[next] as Life);
      next += 1;
    }
    standing = standing.filter(({ to }) => to > proof);
    const at = standing.findIndex(({ key }) => key === grant.place);
    const mine = standing[at];
    if (mine === undefined) {
      const lives = history.livesOf(grant.place).map(describeLife).join(', ') || 'it never was';
      broken('SEMAPHORE-1', `${describeGrant(grant)}, but its place did not stand then: ${lives}`);
    }
    const older = standing.slice(0, at);
    checkSum({ history, limitKey, grant, mine, older, grantsOf });
    const own = grantsOf.get(mine);
    if (own === undefined) {
      grantsOf.set(mine, [grant]);
      if (proof > mine.from) waited += 1;
      if (older.length > 0) sideBySide += 1;
    } else own.push(grant);
  }
  return { grantsOf, waited, sideBySide };
}

function checkSum(parts: {
  readonly history: History;
  readonly limitKey: Key;
  readonly grant: SemaphoreGrant;
  readonly mine: Life;
  readonly older: readonly Life[];
  readonly grantsOf: ReadonlyMap<Life, readonly SemaphoreGrant[]>;
}): void {
  const { history, limitKey, grant, mine, older, grantsOf } = parts;
  const own = weightOf(mine.key) ?? 0;
  if (grant.weight !== own) {
    broken('SEMAPHORE-1', `${describeGrant(grant)} holds ${grant.weight}, but its place weighs ${own}`);
  }
  const limit = limitAt(history, limitKey, proofOf(grant.token));
  if (limit === undefined) broken('SEMAPHORE-1', `${describeGrant(grant)}, but there was no limit then`);
  const sumOf = (lives: readonly Life[]) => lives.reduce((sum, { key }) => sum + (weightOf(key) ?? 0), own);
  if (sumOf(older) <= limit) return;
  const story = `${describeGrant(grant)}, ${describeLife(mine)}; the limit was ${limit}, and with the older places ${older
    .map(describeLife)
    .join(', ')} it came to ${sumOf(older)}`;
  const passed = older.filter((life) => !grantsOf.has(life));
  if (passed.length > 0 && sumOf(older.filter((life) => grantsOf.has(life))) <= limit) {
    broken('SEMAPHORE-2', `${story}; it passed ${passed.map(({ key }) => key).join(', ')}`);
  }
  broken('SEMAPHORE-1', story);
}

/** The grants of one place, in the order of their tokens. */
function checkPlace(
  place: Life,
  grants: readonly SemaphoreGrant[],
  standstills: readonly Standstill[],
): void {
  const [first] = grants;
  for (const [index, grant] of grants.entries()) {
    if (first !== undefined && proofOf(first.token) !== proofOf(grant.token)) {
      broken(
        'SEMAPHORE-3',
        `one place was proved twice: ${describeGrant(first)}, and ${describeGrant(grant)}`,
      );
    }
    const before = grants[index - 1];
    if (before?.token !== grant.token) continue;
    broken('SEMAPHORE-3', `one token twice: ${describeGrant(before)}, and ${describeGrant(grant)}`);
  }
  const beliefs = grants.flatMap(({ process, token, grantedAtMs, endedAtMs }) => {
    const what = `token ${token} by ${place.key}`;
    return grantedAtMs === undefined ? [] : { process, what, fromMs: grantedAtMs, toMs: endedAtMs };
  });
  checkDisjoint('SEMAPHORE-3', beliefs, standstills);
}

function checkRefusal(history: History, limitKey: Key, refusal: SemaphoreRefusal): void {
  const { process, weight, limit, revision, askedAtMs = 0 } = refusal;
  const story = `${process} was refused ${weight} permits, with a limit of ${limit} at revision ${revision}`;
  const stored = limitAt(history, limitKey, revision);
  if (stored !== limit) broken('SEMAPHORE-4', `${story}, but it was ${stored}`);
  if (weight <= limit) broken('SEMAPHORE-4', story);
  const until = history.timeOf(revision + 1);
  if (until === undefined || until >= askedAtMs) return;
  broken('SEMAPHORE-4', `${story}, which was past when it asked, at ${milliseconds(askedAtMs)}`);
}

function checkWrites(history: History, resource: Key, byToken: readonly SemaphoreGrant[]): number {
  const settled = new Map(byToken.map((grant) => [`${grant.token} ${grant.place}`, grant.settledAtMs]));
  const newest = new Map<Life, number>();
  let writes = 0;
  for (const { type, kv } of history.eventsOf(resource)) {
    if (type === 'delete') continue;
    writes += 1;
    const by = textOf(kv.value);
    const revision = kv.modRevision;
    const write = `${resource} was written at revision ${revision}${atTime(history.timeOf(revision))} by ${by}`;
    const [token = Number.NaN, place = ''] = [Number(by.split(' ')[0]), by.slice(by.indexOf(' ') + 1)];
    const life = Number.isSafeInteger(token) ? history.lifeAt(place, proofOf(token)) : undefined;
    // The guard is compared with the state before the write.
    if (life === undefined || proofOf(token) >= revision || life.to < revision) {
      broken('LOCK-5', `${write}; ${life === undefined ? 'nobody held that' : describeLife(life)}`);
    }
    const last = newest.get(life) ?? 0;
    if (token < last) broken('LOCK-5', `${write}, after token ${last} of the same place`);
    newest.set(life, token);
    const settledAtMs = settled.get(by);
    if (settledAtMs !== undefined && (history.timeOf(revision) ?? settledAtMs) > settledAtMs) {
      broken('LOCK-5', `${write}, though its outcome was settled at ${milliseconds(settledAtMs)}`);
    }
  }
  return writes;
}

function describeGrant({ process, place, token, grantedAtMs }: SemaphoreGrant): string {
  return `${process} was granted token ${token} (proof revision ${proofOf(token)}) by ${place}${atTime(grantedAtMs)}`;
}
