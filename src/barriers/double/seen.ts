/** What one look, or a reply, shows of a double barrier at one revision, and what is to be done about it. */
import {
  compare,
  get,
  type KeyRange,
  type KeyValue,
  type Op,
  type OpReply,
  put,
  type RangeOp,
  type TxnRequest,
  textOf,
} from '../../store/index.js';
import type { DoubleSettings } from './options.js';
import {
  type DoubleKeys,
  decodeRound,
  encodeRound,
  firstRound,
  type Round,
  type RoundRecord,
} from './round.js';

export interface Seen {
  readonly revision: number;
  readonly stateKv: KeyValue | undefined;
  /** Undefined if nothing is there, or nothing that can be read. */
  readonly now: Round | undefined;
  /** Revision at which somebody came where nobody was; 0 for none. */
  readonly afresh: number;
  /** How many members stand. */
  readonly present: number;
  /** The oldest of them, or all, the oldest first. */
  readonly members: readonly KeyValue[];
  readonly leavers: readonly KeyValue[];
  /** Deaths that have had no consequence, of members that died with somebody there. */
  readonly dead: number;
  /** The number that says of how many deaths the consequences were drawn. */
  readonly lost: number;
}

/** What reads it. `limit`: of members, and of leavers; the first ones tell whether anybody is inside, and who is oldest. */
export function looks(keys: DoubleKeys, limit?: number): readonly Op[] {
  return [
    get(keys.state),
    get(keys.afresh, { keysOnly: true }),
    { type: 'range', ...keys.numbers },
    oldest(keys.members, limit),
    oldest(keys.leavers, limit),
  ];
}

/** How many operations {@link looks} has. */
export const looksCount = 5;

function oldest(range: KeyRange, limit = 0): RangeOp {
  return { type: 'range', ...range, limit, keysOnly: true, sort: { target: 'create', order: 'ascend' } };
}

export function seenIn(replies: readonly OpReply[], revision: number, keys: DoubleKeys): Seen {
  const [state, afresh, numbers, members, leavers] = replies.map((reply) =>
    reply.type === 'range' ? reply : undefined,
  );
  const numberOf = (key: string) => numbers?.kvs.find((kv) => kv.key === key);
  const stateKv = state?.kvs[0];
  const present = members?.count ?? 0;
  const lost = Number(textOf(numberOf(keys.lost)?.value ?? new Uint8Array())) || 0;
  // The first to come where nobody was is not counted: see double-barrier.ts.
  const came = 1 + (numberOf(keys.came)?.version ?? 0);
  const left = numberOf(keys.left)?.version ?? 0;
  return {
    ...{ revision, stateKv, present, lost },
    now: decodeRound(stateKv),
    afresh: afresh?.kvs[0]?.modRevision ?? 0,
    members: members?.kvs ?? [],
    leavers: leavers?.kvs ?? [],
    dead: afresh?.kvs[0] === undefined ? 0 : came - left - lost - present,
  };
}

/** Whether none of those who were let in is there any more. */
export function isEmptied({ now, members: [first] }: Seen): boolean {
  return now !== undefined && (first === undefined || first.createRevision > now.upTo);
}

/** Whether all who were there when it broke have gone, those who wait to leave too. */
function isDeserted({ now, members: [first], leavers }: Seen): boolean {
  return leavers.length === 0 && (first === undefined || first.createRevision > (now?.mod ?? 0));
}

/** The state that is due, if one is. Of `members` all must be known. */
export function dueIn(seen: Seen, settings: DoubleSettings): RoundRecord | undefined {
  const { now, members, dead } = seen;
  if (now === undefined) return members.length === 0 ? undefined : firstRound;
  const { mod: _, ...record } = now;
  const next = { ...record, round: now.round + 1, phase: 'entering' } as const;
  const breaks = settings.deadMembers === 'break' && dead > 0;
  switch (now.phase) {
    case 'broken':
      return isDeserted(seen) ? next : undefined;
    case 'inside':
      if (breaks) return { ...record, phase: 'broken' };
      return isEmptied(seen) ? next : undefined;
    case 'entering': {
      if (breaks && members.length > 0) return { ...record, phase: 'broken' };
      const upTo = upToOf(seen, settings);
      return upTo === undefined ? undefined : { ...record, phase: 'inside', upTo, after: now.upTo };
    }
  }
}

/**
 * The same by the reply to one who came as the last of a round, which does not show all of them: all who are there came before it.
 */
export function dueByLast({ now, dead, present, revision }: Seen, size: number): RoundRecord | undefined {
  if (now?.phase !== 'entering' || dead !== 0 || present !== size) return undefined;
  const { mod: _, ...record } = now;
  return { ...record, phase: 'inside', upTo: revision, after: now.upTo };
}

/** Whether a look may show that something is due which the reply to who came, or left, does not show. */
export function mayBeDue(seen: Seen, size: number): boolean {
  const { now, dead, present } = seen;
  if (now === undefined || dead !== 0) return true;
  if (now.phase === 'entering') return present >= size;
  return now.phase === 'inside' ? isEmptied(seen) : isDeserted(seen);
}

/** The last one that is to be let in, if as many as it takes are there. */
function upToOf({ members, dead }: Seen, { deadMembers, size }: DoubleSettings): number | undefined {
  if (members.length === 0) return undefined;
  const needed = deadMembers === 'shrink' ? Math.max(1, size - dead) : size;
  return members[needed - 1]?.createRevision;
}

/**
 * Writes the state that is due where nothing has changed that it was decided by:
 * - no state was written since;
 * - to let them in: nobody has left since, nor have all gone and somebody else come;
 * - to break it: nor have all gone and somebody else come, who waited with none of those who died;
 * - to begin the next round: the deaths are done with, as long as they are those that were seen.
 */
export function transition(keys: DoubleKeys, seen: Seen, to: RoundRecord): TxnRequest {
  const { now, stateKv, revision, afresh, dead, lost } = seen;
  const written = compare.mod(keys.state, 'equal', stateKv?.modRevision ?? 0);
  const success: Op[] = [put(keys.state, encodeRound(to)), get(keys.state)];
  if (now === undefined) return { compare: [written], success, failure: [] };
  if (to.phase === 'inside') {
    const unchanged = [keys.left, keys.afresh].map((key) => compare.mod(key, 'less', revision + 1));
    return { compare: [written, ...unchanged], success, failure: [] };
  }
  const together = compare.mod(keys.afresh, 'equal', afresh);
  if (to.phase === 'broken') return { compare: [written, together], success, failure: [] };
  success.push({ type: 'delete', ...keys.leavers });
  if (dead === 0) return { compare: [written], success, failure: [] };
  success.push(put(keys.lost, String(lost + dead)));
  return { compare: [written, together], success, failure: [] };
}
