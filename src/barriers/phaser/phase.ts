/** What is stored of a phaser, and what one look at it, or the reply to an arrival, shows at one revision. */
import { QuorateError } from '../../errors.js';
import type { Client } from '../../session/index.js';
import {
  bytesOf,
  get,
  type Key,
  type KeyRange,
  type KeyValue,
  type Op,
  type OpReply,
  prefixRange,
  textOf,
} from '../../store/index.js';

export interface PhaserKeys {
  readonly all: Required<KeyRange>;
  readonly phase: Key;
  readonly members: Required<KeyRange>;
  member(id: string): Key;
}

export function phaserKeysOf({ keys }: Pick<Client, 'keys'>, name: string): PhaserKeys {
  const prefix = keys.prefix('phaser', name);
  const members = `${prefix}m/`;
  return {
    all: prefixRange(prefix),
    phase: `${prefix}phase`,
    members: prefixRange(members),
    member: (id) => `${members}${id}`,
  };
}

/** A phase, and the revision that began it: 0 for the first one, of which nothing is stored. */
export interface Phase {
  readonly phase: number;
  readonly mod: number;
}

export function encodePhase(phase: number): Uint8Array {
  return bytesOf(JSON.stringify({ phase }));
}

/** Errors: `codec` for what nobody of this library has written. */
export function phaseOf(kv: KeyValue | undefined): Phase {
  if (kv === undefined) return { phase: 0, mod: 0 };
  let phase: unknown;
  try {
    phase = (JSON.parse(textOf(kv.value)) as { phase?: unknown } | null)?.phase;
  } catch {
    // As any other that is not one.
  }
  if (typeof phase === 'number' && Number.isSafeInteger(phase) && phase > 0) {
    return { phase, mod: kv.modRevision };
  }
  throw new QuorateError('codec', `${kv.key} holds no phase of a phaser`);
}

export interface SeenPhase {
  readonly revision: number;
  readonly now: Phase;
  readonly phaseKv: KeyValue | undefined;
  /** Members that have arrived in this phase, in the order of their arrivals. */
  readonly arrived: readonly KeyValue[];
  /** All members. */
  readonly registered: number;
}

/** What reads it. `since`: a phase that is not newer than the present one began there. */
export function looksAt(keys: PhaserKeys, since: number): readonly Op[] {
  return [get(keys.phase), { type: 'range', ...keys.members, keysOnly: true, minModRevision: since + 1 }];
}

/** How many operations {@link looksAt} has. */
export const looksAtCount = 2;

/** What the replies to {@link looksAt} say. A key that was put once only was registered, and has not arrived. */
export function seenPhaseIn(replies: readonly OpReply[], revision: number): SeenPhase {
  const [phase, members] = replies.map((reply) => (reply.type === 'range' ? reply : undefined));
  const phaseKv = phase?.kvs[0];
  const now = phaseOf(phaseKv);
  const arrived = (members?.kvs ?? [])
    .filter(({ modRevision, createRevision }) => modRevision > now.mod && modRevision > createRevision)
    .sort((one, other) => one.modRevision - other.modRevision);
  // etcd counts what is in the range, whatever the filter lets pass.
  return { revision, now, phaseKv, arrived, registered: members?.count ?? 0 };
}
