import type { Client } from '../../session/index.js';
import { type Key, type KeyRange, prefixRange } from '../../store/index.js';

/** What is stored of a cyclic barrier: see cyclic-barrier.ts. */
export interface CyclicKeys {
  readonly all: Required<KeyRange>;
  readonly generation: Key;
  readonly elect: Key;
  readonly members: Required<KeyRange>;
  /** Put by each who becomes a member: its version counts them. */
  readonly joins: Key;
  /** Put by each who leaves. */
  readonly leaves: Key;
  member(id: string): Key;
}

export function cyclicKeysOf({ keys }: Pick<Client, 'keys'>, name: string): CyclicKeys {
  const prefix = keys.prefix('cyclic-barrier', name);
  const members = `${prefix}m/`;
  return {
    all: prefixRange(prefix),
    generation: `${prefix}generation`,
    elect: `${prefix}elect`,
    members: prefixRange(members),
    joins: `${prefix}joins`,
    leaves: `${prefix}leaves`,
    member: (id) => `${members}${id}`,
  };
}
