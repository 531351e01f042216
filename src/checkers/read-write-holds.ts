/** The tokens, the writes and the beliefs of the holds of a read-write lock. Readers are not in any order among themselves. */
import { invalidArgument } from '../errors.js';
import { type Key, textOf } from '../store/index.js';
import { endOfBelief, type Standstill } from './beliefs.js';
import { atTime, describeLife, milliseconds } from './evidence.js';
import type { History } from './history.js';
import { proofOf } from './place-order.js';
import type { ReadWriteGrant } from './read-write.js';
import { broken } from './sentences.js';

/** A writer's token is nobody else's, and one place gives out no token twice. */
export function checkReadWriteTokens(byToken: readonly ReadWriteGrant[]): void {
  const known = new Map<number, ReadWriteGrant[]>();
  for (const grant of byToken) {
    const same = known.get(grant.token) ?? [];
    for (const other of same) {
      const areReaders = grant.writeKey === undefined && other.writeKey === undefined;
      if (areReaders && grant.readKey !== other.readKey) continue;
      broken('LOCK-2', `two grants with one token: ${describe(other)}, and ${describe(grant)}`);
    }
    known.set(grant.token, [...same, grant]);
  }
}

/** Answers how many writes there were. */
export function checkReadWriteWrites(
  history: History,
  resource: Key,
  grants: readonly ReadWriteGrant[],
): number {
  const known = new Map(grants.map((grant) => [`${grant.token} ${grant.readKey}`, grant]));
  let writes = 0;
  let newest = 0;
  let newestWriters = 0;
  for (const { type, kv } of history.eventsOf(resource)) {
    if (type === 'delete') continue;
    writes += 1;
    const revision = kv.modRevision;
    const value = textOf(kv.value);
    const [first = '', readKey = '', writeKey] = value.split(' ');
    const token = Number(first);
    const write = `${resource} was written at revision ${revision}${atTime(history.timeOf(revision))} with ${value}`;
    if (!Number.isSafeInteger(token)) broken('LOCK-5', `${write}, which has no token`);
    const least = writeKey === undefined ? newestWriters : newest;
    if (token < least) broken('LOCK-5', `${write}, after token ${least} had written`);
    newest = Math.max(newest, token);
    if (writeKey !== undefined) newestWriters = token;
    const proof = proofOf(token);
    for (const key of writeKey === undefined ? [readKey] : [readKey, writeKey]) {
      const life = history.lifeAt(key, proof);
      // The guards are compared with the state before the write.
      if (life !== undefined && proof < revision && revision <= life.to) continue;
      const was = life === undefined ? 'which did not stand at its proof' : describeLife(life);
      broken('LOCK-5', `${write}, proved at revision ${proof}, by the key ${key}, ${was}`);
    }
    const settledAtMs = known.get(`${token} ${readKey}`)?.settledAtMs;
    if (settledAtMs !== undefined && (history.timeOf(revision) ?? settledAtMs) > settledAtMs) {
      broken('LOCK-5', `${write}, though its outcome was settled at ${milliseconds(settledAtMs)}`);
    }
  }
  return writes;
}

interface Held {
  readonly grant: ReadWriteGrant;
  readonly fromMs: number;
  readonly endMs: number;
}

/**
 * No belief overlaps a writer's, and those that come after a writer's have larger tokens, as a writer's has after any.
 * Answers how many beliefs there were.
 */
export function checkReadWriteBeliefs(
  grants: readonly ReadWriteGrant[],
  standstills: readonly Standstill[],
): number {
  const inTurn = grants
    .map((grant): Held => {
      const { process, grantedAtMs, endedAtMs, token } = grant;
      if (grantedAtMs === undefined) {
        throw invalidArgument(`grant ${token} has no grantedAtMs`, 'times, for beliefsMustNotOverlap');
      }
      return { grant, fromMs: grantedAtMs, endMs: endOfBelief({ process, toMs: endedAtMs }, standstills) };
    })
    .sort((one, other) => one.fromMs - other.fromMs || one.grant.token - other.grant.token);
  let any: Held | undefined;
  let writers: Held | undefined;
  let newest: Held | undefined;
  for (const held of inTurn) {
    const isWriter = held.grant.writeKey !== undefined;
    const before = isWriter ? newest : writers;
    if (before !== undefined && before.grant.token >= held.grant.token) {
      broken('LOCK-2', `${describe(held.grant)}, after ${describe(before.grant)}`);
    }
    const other = isWriter ? any : writers;
    if (held.endMs > held.fromMs && other !== undefined && held.fromMs < other.endMs) {
      broken('LOCK-9', `${describeBelief(other)}; ${describeBelief(held)}`);
    }
    if (newest === undefined || held.grant.token > newest.grant.token) newest = held;
    if (held.endMs <= held.fromMs) continue;
    if (any === undefined || held.endMs > any.endMs) any = held;
    if (isWriter && (writers === undefined || held.endMs > writers.endMs)) writers = held;
  }
  return inTurn.length;
}

function describe({ process, readKey, writeKey, token, grantedAtMs }: ReadWriteGrant): string {
  return `${process} was granted token ${token} by ${writeKey ?? readKey}${atTime(grantedAtMs)}`;
}

function describeBelief({ grant, fromMs, endMs }: Held): string {
  const until = Number.isFinite(endMs) ? `until ${milliseconds(endMs)}` : 'and still does';
  return `${grant.process} believed in token ${grant.token} by ${grant.writeKey ?? grant.readKey} from ${milliseconds(fromMs)} ${until}`;
}
