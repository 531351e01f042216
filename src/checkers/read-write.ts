/**
 * Whether the grants of one read-write lock are what its history allows. Everybody in the line has a read key, who wants to
 * write a write key too; who may hold at a revision is decided by the keys that stand there, in one pass in the order of
 * revisions, and nothing by what processes believe, but for LOCK-9, which is about just that.
 */
import type { Key } from '../store/index.js';
import type { Standstill } from './beliefs.js';
import { atTime, describeLife, milliseconds } from './evidence.js';
import type { History, Life } from './history.js';
import { proofOf } from './place-order.js';
import { checkReadWriteBeliefs, checkReadWriteTokens, checkReadWriteWrites } from './read-write-holds.js';
import { broken } from './sentences.js';

/** One hold, as the process that was granted it saw it. */
export interface ReadWriteGrant {
  readonly process: string;
  /** The key below `r/` that `hold.guards()` compares. */
  readonly readKey: Key;
  /** The key below `w/` that `hold.guards()` compares. Absent: it is a reader's. */
  readonly writeKey?: Key;
  readonly token: number;
  /** It came of an upgrade or a downgrade of the hold with this token. */
  readonly turnedFrom?: number;
  /** True time at which it was answered. */
  readonly grantedAtMs?: number;
  /** True time at which the process stopped believing: released, turned, or the signal fired. Absent: it still believes. */
  readonly endedAtMs?: number;
  /** True time by which all writes made under it had a definite outcome: `release` resolved, and the hold was not lost. */
  readonly settledAtMs?: number;
}

/** A call of `upgrade`, in true time. */
export interface SeenUpgrade {
  readonly process: string;
  readonly readKey: Key;
  readonly fromMs: number;
  /** Absent: it has not ended. */
  readonly toMs?: number;
  readonly isRefused: boolean;
}

export interface ReadWriteCheck {
  readonly history: History;
  /** The prefix of the lock's keys: `client.keys.prefix('rwlock', name)` and `l/`. */
  readonly line: Key;
  readonly grants: readonly ReadWriteGrant[];
  /** For RW-3; the history must have times then. */
  readonly upgrades?: readonly SeenUpgrade[];
  /** A key that is only written under the lock, with the hold's token, its read key and its write key, with blanks between. */
  readonly resource?: Key;
  /** Nobody wants the lock any more at the end of the history: then no key may be left. Default false. */
  readonly drained?: boolean;
  /**
   * Clocks kept within their bound and nobody deleted places or revoked leases, so LOCK-9 is to hold, and grants were given
   * out in the order of their tokens, as far as one of two is a writer's. Every grant then needs its times. Default false.
   */
  readonly beliefsMustNotOverlap?: boolean;
  /** Times in which processes could not act on what they believed. */
  readonly standstills?: readonly Standstill[];
}

/** What was there to be checked. */
export interface ReadWriteCounts {
  readonly readGrants: number;
  readonly writeGrants: number;
  /** Grants of readers at whose proof the place of another reader stood that holds. */
  readonly together: number;
  /** Grants of writers that had waited for a reader that held. */
  readonly waitedForReaders: number;
  /** Grants of readers that had waited for a writer. */
  readonly waitedForWriters: number;
  /** Write keys that were put beside a read key that stood already. */
  readonly upgrades: number;
  readonly writes: number;
  readonly beliefs: number;
}

interface Keys {
  readonly reads: readonly Life[];
  readonly writes: readonly Life[];
}

/**
 * Throws `InvariantBroken` for
 * - RW-1: at the proof revision of a grant its keys did not stand; or, of a writer, a read key of another stood that is
 *   older than its write key; or, of a reader, an older write key whose writer held; or a write key was written twice;
 * - RW-2: the same, where the other one only waited then: passed over;
 * - RW-3: a hold that was turned into another lost its read key between; a write key was put by an upgrade while another
 *   stood; an upgrade was refused though nobody else wanted to write;
 * - LOCK-2: a writer's token that another grant has too; tokens out of order if `beliefsMustNotOverlap`;
 * - LOCK-5: a write to `resource` by a hold that did not stand (any more), with a token that is older than a writer's that has
 *   written, a writer's that is older than any that has written, or after its outcome had been settled;
 * - LOCK-9 if `beliefsMustNotOverlap`; LOCK-4 if `drained`.
 */
export function checkReadWrite(options: ReadWriteCheck): ReadWriteCounts {
  const { history, line, resource, drained = false } = options;
  const keys = { reads: history.lives(`${line}r/`), writes: history.lives(`${line}w/`) };
  const grants = [...options.grants].sort((left, right) => left.token - right.token);
  const proofs = checkProofs(history, line, keys, grants);
  const upgrades = checkWriteKeys(history, line, keys);
  checkTurned(history, grants);
  checkRefusals(keys, options.upgrades ?? []);
  checkReadWriteTokens(grants);
  const writes = resource === undefined ? 0 : checkReadWriteWrites(history, resource, grants);
  const beliefs = options.beliefsMustNotOverlap
    ? checkReadWriteBeliefs(grants, options.standstills ?? [])
    : 0;
  const left = drained ? [...keys.reads, ...keys.writes].filter(({ to }) => !Number.isFinite(to)) : [];
  if (left.length > 0) broken('LOCK-4', `left in the line: ${left.map(describeLife).join(', ')}`);
  return { ...proofs, upgrades, writes, beliefs };
}

type ProofCounts = Omit<ReadWriteCounts, 'upgrades' | 'writes' | 'beliefs'>;

function checkProofs(
  history: History,
  line: Key,
  keys: Keys,
  byToken: readonly ReadWriteGrant[],
): ProofCounts {
  const readsAt = standingInTurn(keys.reads);
  const writesAt = standingInTurn(keys.writes);
  const firstProofs = firstProofOf(history, byToken);
  const endedAt = new Map<number, Life[]>();
  for (const life of keys.reads) endedAt.set(life.to, [...(endedAt.get(life.to) ?? []), life]);
  const isHeldAt = (life: Life, revision: number) => (firstProofs.get(life) ?? Infinity) <= revision;
  const isWriters = ({ key, from }: Life) => history.lifeAt(beside(line, key, 'w/'), from)?.from === from;
  const counts = { readGrants: 0, writeGrants: 0, together: 0, waitedForReaders: 0, waitedForWriters: 0 };
  for (const grant of byToken) {
    const proof = proofOf(grant.token);
    const [read, write] = standingKeys(history, grant, proof);
    const others = readsAt(proof).filter((life) => life !== read);
    if (write === undefined) {
      counts.readGrants += 1;
      // A write key whose read key somebody has deleted is nobody's any more.
      const writer = writesAt(proof).find(
        ({ key, from }) => from < read.from && history.lifeAt(beside(line, key, 'r/'), proof) !== undefined,
      );
      if (writer !== undefined) {
        const story = `${describeGrant(grant)}, but at that revision an older write key stood: ${describeLife(writer)}`;
        broken(isHeldAt(writer, proof) ? 'RW-1' : 'RW-2', story);
      }
      if (others.some((life) => isHeldAt(life, proof))) counts.together += 1;
      if (grant.turnedFrom === undefined && proof > read.from) counts.waitedForWriters += 1;
      continue;
    }
    counts.writeGrants += 1;
    const other = others.find(({ from }) => from < write.from);
    if (other !== undefined) {
      const story = `${describeGrant(grant)}, but at that revision an older place stood: ${describeLife(other)}`;
      const onlyWaited = !isHeldAt(other, proof) && (firstProofs.has(other) || isWriters(other));
      broken(onlyWaited ? 'RW-2' : 'RW-1', story);
    }
    const ended = endedAt.get(proof) ?? [];
    if (ended.some((life) => life.from < write.from && life !== read)) counts.waitedForReaders += 1;
  }
  return counts;
}

/** The other key of a place. */
function beside(line: Key, key: Key, other: 'r/' | 'w/'): Key {
  return `${line}${other}${key.slice(line.length + other.length)}`;
}

/** The lives of the keys of a grant, which must stand at its proof. */
function standingKeys(
  history: History,
  grant: ReadWriteGrant,
  proof: number,
): readonly [read: Life, write: Life | undefined] {
  const standing = (key: Key): Life => {
    const life = history.lifeAt(key, proof);
    if (life !== undefined) return life;
    const lives = history.livesOf(key).map(describeLife).join(', ') || `no key ${key} ever was`;
    return broken('RW-1', `${describeGrant(grant)}, but at that revision its key did not stand: ${lives}`);
  };
  return [standing(grant.readKey), grant.writeKey === undefined ? undefined : standing(grant.writeKey)];
}

/** The first proof by which the place of a key was granted anything; of a write key, a writer's. */
function firstProofOf(history: History, byToken: readonly ReadWriteGrant[]): ReadonlyMap<Life, number> {
  const first = new Map<Life, number>();
  for (const { readKey, writeKey, token } of byToken) {
    const proof = proofOf(token);
    for (const key of writeKey === undefined ? [readKey] : [readKey, writeKey]) {
      const life = history.lifeAt(key, proof);
      if (life !== undefined && !first.has(life)) first.set(life, proof);
    }
  }
  return first;
}

/** Answers the lives that go on in the state of a revision, the oldest first; to be asked in ascending order. */
function standingInTurn(lives: readonly Life[]): (revision: number) => readonly Life[] {
  let next = 0;
  let standing: Life[] = [];
  return (revision) => {
    for (let life = lives[next]; life !== undefined && life.from <= revision; life = lives[next]) {
      standing.push(life);
      next += 1;
    }
    standing = standing.filter(({ to }) => revision < to);
    return standing;
  };
}

/** No write key is put beside a read key that stands already while another write key does. Answers how many were so put. */
function checkWriteKeys(history: History, line: Key, { writes }: Keys): number {
  const writesAt = standingInTurn(writes);
  let upgrades = 0;
  for (const write of writes) {
    if (write.puts > 1) broken('RW-1', `the key ${describeLife(write)} was written ${write.puts} times`);
    const others = writesAt(write.from).filter(({ from }) => from < write.from);
    const read = history.lifeAt(beside(line, write.key, 'r/'), write.from);
    if (read?.from === write.from) continue;
    upgrades += 1;
    const [other] = others;
    if (other !== undefined) {
      broken('RW-3', `an upgrade put ${describeLife(write)} past one who queued: ${describeLife(other)}`);
    }
  }
  return upgrades;
}

/** Who upgrades or downgrades keeps the read key all the time. */
function checkTurned(history: History, byToken: readonly ReadWriteGrant[]): void {
  const known = new Map(byToken.map((grant) => [`${grant.token} ${grant.readKey}`, grant]));
  for (const grant of byToken) {
    if (grant.turnedFrom === undefined) continue;
    const before = known.get(`${grant.turnedFrom} ${grant.readKey}`);
    const was = before && history.lifeAt(before.readKey, proofOf(before.token));
    const is = history.lifeAt(grant.readKey, proofOf(grant.token));
    if (was !== undefined && was === is) continue;
    const stood = is === undefined ? '' : `, which stands on ${describeLife(is)}`;
    broken(
      'RW-3',
      `${describeGrant(grant)}${stood}; it was made of token ${grant.turnedFrom}, of another place`,
    );
  }
}

/** An upgrade is refused only if another one wants to write, or upgrades the same place. */
function checkRefusals({ writes }: Keys, upgrades: readonly SeenUpgrade[]): void {
  for (const upgrade of upgrades) {
    if (!upgrade.isRefused) continue;
    const { fromMs, toMs = Infinity, process, readKey } = upgrade;
    const overlaps = (other: { readonly fromMs?: number; readonly toMs?: number }) => {
      return (other.fromMs ?? 0) <= toMs && (other.toMs ?? Infinity) >= fromMs;
    };
    if (writes.some(overlaps)) continue;
    if (upgrades.some((other) => other !== upgrade && other.readKey === readKey && overlaps(other))) continue;
    broken(
      'RW-3',
      `${process} was refused the upgrade of ${readKey} it asked for at ${milliseconds(fromMs)}, and nobody else wanted to write`,
    );
  }
}

function describeGrant({ process, readKey, writeKey, token, grantedAtMs }: ReadWriteGrant): string {
  const what = writeKey === undefined ? `to read by ${readKey}` : `to write by ${writeKey} and ${readKey}`;
  return `${process} was granted token ${token} (proof revision ${proofOf(token)}) ${what}${atTime(grantedAtMs)}`;
}
