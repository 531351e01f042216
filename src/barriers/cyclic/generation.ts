import { QuorateError } from '../../errors.js';
import { bytesOf, type KeyValue, textOf } from '../../store/index.js';
import type { DeadMembers } from '../dead-members.js';

/** Why a generation was broken. */
export type BreakReason =
  /** A member died or lost its session, and fewer were left than were asked for. */
  | 'member-lost'
  /** A member that had arrived waits no more: its time was up, or its signal fired. */
  | 'gave-up'
  /** The action threw. */
  | 'action-failed'
  /** Somebody called `reset()`. */
  | 'reset'
  /** It ended so many generations ago that nobody knows how, or what is stored of the barrier was deleted. */
  | 'forgotten';

export interface Break {
  readonly reason: BreakReason;
  /** The label of the client that broke it, or noticed that it is broken. */
  readonly by: string;
  /** What the action threw. */
  readonly message?: string;
}

/** What the key of the generation says. */
export interface GenerationRecord {
  /** From 0; each that is over adds one. */
  readonly generation: number;
  /** Asked for by those who made the barrier. */
  readonly parties: number;
  /** How many arrivals this generation takes: fewer than `parties` after deaths that it went on without. */
  readonly required: number;
  readonly deadMembers: DeadMembers;
  /** Arrivals above this revision are of this generation or a later one. Absent: above that of the record. */
  readonly since?: number;
  /** Deaths that have had their consequence. */
  readonly lost: number;
  readonly broken?: Break;
  /** How the generation before it ended. */
  readonly last: 'none' | 'passed' | 'broken';
  /** `since` of the generations before, the newest first; negative where the one that ended there was broken. */
  readonly past: readonly number[];
}

/** A record as the store had it. */
export interface Generation extends GenerationRecord {
  readonly since: number;
  /** Mod and create revision of its key; 0 for one that is not there yet. */
  readonly mod: number;
  readonly created: number;
}

/** What became of an arrival. */
export type Fate =
  | { readonly status: 'pending' }
  | { readonly status: 'passed'; readonly generation: number }
  | { readonly status: 'broken'; readonly generation: number; readonly broken: Break };

/** Ends of generations that a record knows: enough for a member that slept while others went round and round. */
const mostPast = 64;

export function encodeGeneration(record: GenerationRecord): Uint8Array {
  const { generation, parties, required, deadMembers, since, lost, broken, last, past } = record;
  return bytesOf(
    JSON.stringify({ generation, parties, required, deadMembers, since, lost, broken, last, past }),
  );
}

/** Errors: `codec` for what nobody of this library has written. */
export function decodeGeneration(kv: KeyValue): Generation {
  let record: Partial<GenerationRecord>;
  try {
    record = JSON.parse(textOf(kv.value)) as Partial<GenerationRecord>;
  } catch (cause) {
    throw new QuorateError('codec', `${kv.key} holds no generation of a barrier`, { cause });
  }
  const { generation, required, lost, past } = record ?? {};
  if (![generation, required, lost].every(Number.isSafeInteger) || !Array.isArray(past)) {
    throw new QuorateError('codec', `${kv.key} holds no generation of a barrier`);
  }
  const { since = kv.modRevision } = record;
  return { ...(record as GenerationRecord), since, mod: kv.modRevision, created: kv.createRevision };
}

/** The first generation of a barrier of which nothing is stored, at this revision. */
export function firstGeneration(parties: number, deadMembers: DeadMembers, asOf: number): Generation {
  const counts = { generation: 0, parties, required: parties, lost: 0 };
  return { ...counts, deadMembers, since: asOf, last: 'none', past: [], mod: 0, created: 0 };
}

/** The next one: this one has passed with the arrivals up to this revision. Those above it are of the next. */
export function passed(now: Generation, upTo: number): GenerationRecord {
  return { ...next(now), since: upTo, last: 'passed' };
}

/** The next one, whatever became of this one: all that have arrived so far are told that it is broken. */
export function begunAnew(now: Generation, dead: number): GenerationRecord {
  const { since: _, ...rest } = next(now);
  return { ...rest, required: now.parties, lost: now.lost + dead, last: 'broken' };
}

/** The same, broken. */
export function broken(now: Generation, how: Break, dead = 0): GenerationRecord {
  return { ...same(now), lost: now.lost + dead, broken: how };
}

/** The same, which asks for fewer, or for more. */
export function resized(now: Generation, required: number, dead: number): GenerationRecord {
  return { ...same(now), required, lost: now.lost + dead };
}

/** What became of an arrival at this revision. */
export function fateOf(now: Generation, arrivedAt: number): Fate {
  const { generation } = now;
  // Of another life of the key, which somebody has deleted: these ends are not its own.
  const isForgotten = now.created > arrivedAt;
  if (!isForgotten && arrivedAt > now.since) {
    return now.broken === undefined
      ? { status: 'pending' }
      : { status: 'broken', generation, broken: now.broken };
  }
  const ends = endsOf(now);
  let back = 0;
  while (back + 1 < ends.length && Math.abs(ends[back + 1] ?? 0) >= arrivedAt) back += 1;
  const of = generation - 1 - back;
  const isBeyond = ends.length === 0 || (back + 1 === ends.length && ends.length < generation);
  if (isForgotten || isBeyond) {
    return { status: 'broken', generation: of, broken: { reason: 'forgotten', by: '' } };
  }
  if ((ends[back] ?? 0) > 0) return { status: 'passed', generation: of };
  return { status: 'broken', generation: of, broken: { reason: 'reset', by: '' } };
}

function same(now: Generation): GenerationRecord {
  const { mod: _mod, created: _created, ...record } = now;
  return record;
}

function next(now: Generation): GenerationRecord {
  const { broken: _broken, ...record } = same(now);
  return { ...record, generation: now.generation + 1, past: endsOf(now).slice(0, mostPast) };
}

/** Up to which arrivals the generations before were, the newest first. */
function endsOf({ last, since, past }: Generation): readonly number[] {
  if (last === 'none') return past;
  return [last === 'passed' ? since : -since, ...past];
}
