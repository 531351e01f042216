import type { Client } from '../../session/index.js';
import { bytesOf, type Key, type KeyRange, type KeyValue, prefixRange, textOf } from '../../store/index.js';
import type { DeadMembers } from '../dead-members.js';

/** What is stored of a double barrier: see double-barrier.ts. */
export interface DoubleKeys {
  readonly prefix: Key;
  /** What all who use it must agree upon. */
  readonly terms: Key;
  readonly state: Key;
  /** Put where somebody comes and nobody else is there. */
  readonly afresh: Key;
  /** The numbers of who came, left and died. */
  readonly numbers: Required<KeyRange>;
  readonly came: Key;
  readonly left: Key;
  readonly lost: Key;
  /** Those who wait to enter, or are inside. */
  readonly members: Required<KeyRange>;
  /** Those who have left, and wait for the others. */
  readonly leavers: Required<KeyRange>;
  /** Both of them. */
  readonly present: Required<KeyRange>;
  /** Numbers, members and leavers. */
  readonly traffic: Required<KeyRange>;
  member(id: string): Key;
  leaver(id: string): Key;
}

export function doubleKeysOf({ keys }: Pick<Client, 'keys'>, name: string): DoubleKeys {
  const prefix = keys.prefix('double-barrier', name);
  const [numbers, members, leavers] = [`${prefix}n/`, `${prefix}p/`, `${prefix}q/`];
  const { rangeEnd } = prefixRange(leavers);
  return {
    ...{ prefix, terms: `${prefix}cfg`, state: `${prefix}state`, afresh: `${prefix}e` },
    ...{ came: `${numbers}came`, left: `${numbers}left`, lost: `${numbers}lost` },
    ...{ numbers: prefixRange(numbers), members: prefixRange(members), leavers: prefixRange(leavers) },
    ...{ present: { key: members, rangeEnd }, traffic: { key: numbers, rangeEnd } },
    member: (id) => `${members}${id}`,
    leaver: (id) => `${leavers}${id}`,
  };
}

/** What the terms say. */
export function encodeTerms({ size, deadMembers }: { size: number; deadMembers: DeadMembers }): string {
  return `${size} ${deadMembers}`;
}

/** What the state says. */
export interface RoundRecord {
  /** From 1. */
  readonly round: number;
  readonly phase: 'entering' | 'inside' | 'broken';
  /** Members whose keys were created up to this revision have been let in, into this round or one before. */
  readonly upTo: number;
  /** The same of the round before: those above it, up to `upTo`, are of the round that was let in last. */
  readonly after: number;
}

/** The state as the store had it. */
export interface Round extends RoundRecord {
  /** Revision that wrote it. */
  readonly mod: number;
}

/** The state of a barrier that nobody has come to. */
export const firstRound: RoundRecord = { round: 1, phase: 'entering', upTo: 0, after: 0 };

export function encodeRound({ round, phase, upTo, after }: RoundRecord): Uint8Array {
  return bytesOf(JSON.stringify({ round, phase, upTo, after }));
}

/** Undefined for what nobody of this library has written: as if it were not there, and whoever looks writes it anew. */
export function decodeRound(kv: KeyValue | undefined): Round | undefined {
  if (kv === undefined) return undefined;
  try {
    const record = JSON.parse(textOf(kv.value)) as Partial<RoundRecord>;
    const { round, phase, upTo, after } = record;
    const isKnown = phase === 'entering' || phase === 'inside' || phase === 'broken';
    if (!isKnown || !isWhole(round) || !isWhole(upTo) || !isWhole(after)) return undefined;
    return { round, phase, upTo, after, mod: kv.modRevision };
  } catch {
    return undefined;
  }
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

/** What has become of who came at this revision and has not left. */
export type Entrance =
  | { readonly status: 'waiting' }
  | { readonly status: 'inside'; readonly round: number }
  | { readonly status: 'broken' }
  /** It was let in, and that round is over, which it cannot be while its key stands. */
  | { readonly status: 'gone' };

export function entranceOf(now: Round, created: number): Entrance {
  if (now.phase === 'broken' && created < now.mod) return { status: 'broken' };
  if (created > now.upTo) return { status: 'waiting' };
  const isOfIt = now.phase === 'inside' && created > now.after;
  return isOfIt ? { status: 'inside', round: now.round } : { status: 'gone' };
}

/** What has become of a round, for one who has left it. */
export type Exit = 'waiting' | 'over' | 'broken';

/** A state before the round, or that says nothing of it, is one that somebody has deleted. */
export function exitOf(now: Round | undefined, round: number): Exit {
  if (now === undefined || now.round < round) return 'broken';
  if (now.round > round) return 'over';
  return now.phase === 'inside' ? 'waiting' : 'broken';
}
