/** What one look, or the reply to an arrival, shows of a barrier at one revision, and what is to be done about it. */
import { get, type KeyValue, type Op, type OpReply } from '../../store/index.js';
import type { CyclicKeys } from './cyclic-keys.js';
import {
  broken,
  decodeGeneration,
  firstGeneration,
  type Generation,
  type GenerationRecord,
  resized,
} from './generation.js';
import type { CyclicSettings } from './options.js';

export interface Seen {
  readonly revision: number;
  readonly now: Generation;
  /** As it was in the store; undefined if nothing was there. */
  readonly generationKv: KeyValue | undefined;
  readonly elect: KeyValue | undefined;
  /** Those who have arrived in this generation, in the order of their arrivals. */
  readonly arrived: readonly KeyValue[];
  /** Members whose keys stand, whether they have arrived or not. */
  readonly live: number;
  /** Members that have died, as far as that has had no consequence. */
  readonly dead: number;
}

/** What reads all of it. Arrivals are those above `since`; it may be that of an older generation. */
export function looks(keys: CyclicKeys, since: number): readonly Op[] {
  return [
    get(keys.generation),
    get(keys.elect),
    { type: 'range', ...keys.members, keysOnly: true, minModRevision: since + 1 },
    get(keys.joins, { keysOnly: true }),
    get(keys.leaves, { keysOnly: true }),
  ];
}

/** How many operations {@link looks} has. */
export const looksCount = 5;

/** What the replies to {@link looks} say. Errors: `codec` for a foreign generation. */
export function seenIn(replies: readonly OpReply[], revision: number, settings: CyclicSettings): Seen {
  const [generation, elect, members, joins, leaves] = replies.map(rangeOf);
  const generationKv = generation?.kvs[0];
  // etcd counts what is in the range, whatever the filter lets pass.
  const live = members?.count ?? 0;
  const came = joins?.kvs[0]?.version ?? 0;
  const left = leaves?.kvs[0]?.version ?? 0;
  const { parties, deadMembers } = settings;
  const now =
    generationKv === undefined
      ? { ...firstGeneration(parties, deadMembers, revision), lost: came - left - live }
      : decodeGeneration(generationKv);
  return {
    ...{ revision, now, generationKv, elect: elect?.kvs[0], live },
    arrived: (members?.kvs ?? [])
      .filter(({ modRevision }) => modRevision > now.since)
      .sort((one, other) => one.modRevision - other.modRevision),
    dead: came - left - now.lost - live,
  };
}

/** What is due. */
export type Due =
  | { readonly kind: 'nothing' }
  /** The generation is to be written so, by whoever comes first. */
  | { readonly kind: 'rewrite'; readonly to: GenerationRecord }
  /** As many as it takes have arrived, the last of them at this revision. */
  | { readonly kind: 'full'; readonly upTo: number };

/** An elect decides what becomes of its generation. Without one, deaths come first, then whether all are here. */
export function dueIn(seen: Seen, by: string): Due {
  const { now, elect, arrived, live, dead } = seen;
  const { required, parties, deadMembers } = now;
  if (now.broken !== undefined || elect !== undefined) return { kind: 'nothing' };
  const isShort = dead > 0 && live < required;
  if (isShort && deadMembers === 'break') {
    return { kind: 'rewrite', to: broken(now, { reason: 'member-lost', by }, dead) };
  }
  if (isShort && deadMembers === 'shrink') {
    return { kind: 'rewrite', to: resized(now, Math.max(1, live, required - dead), dead) };
  }
  if (required < parties && live > required) {
    return { kind: 'rewrite', to: resized(now, Math.min(parties, live), 0) };
  }
  const last = arrived[required - 1];
  return last === undefined ? { kind: 'nothing' } : { kind: 'full', upTo: last.modRevision };
}

/** Nobody is left who could be told of what had happened before. */
export function isDeserted({ now, live, dead }: Seen): boolean {
  return live === 0 && (dead !== 0 || now.broken !== undefined || now.required < now.parties);
}

function rangeOf(reply: OpReply) {
  return reply.type === 'range' ? reply : undefined;
}
