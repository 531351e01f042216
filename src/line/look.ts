/**
 * What a join looks at, in its own transaction, after it has put its keys.
 *
 * - *Whole*: all keys of the line. They tell whom the place waits for.
 * - *In a crowd*: only how many there are, and whether somebody stands guard (the sentinel of grant.ts). Who is told by name when
 *   its turn comes need not know who stands before it, and among fifty that list is what a join costs most for: the store reads
 *   it, sends it, and it is decoded to be thrown away. Should nobody stand guard, the whole line is read after all.
 */
import { invariant } from '../runtime/index.js';
import { get, type Key, type KeyRange, type KeyValue, type OpReply, type RangeOp } from '../store/index.js';

export interface Seen {
  /** Undefined if only their number was asked for. */
  readonly present: ReadonlyMap<Key, KeyValue> | undefined;
  /** How many keys the line has. */
  readonly count: number;
  readonly isGuarded: boolean;
}

export interface Look {
  readonly ops: readonly RangeOp[];
  readonly seenIn: (replies: readonly OpReply[]) => Seen;
}

/** `range` may hold the sentinel, if the line has one. */
export function wholeLook(range: KeyRange, options: { sentinel: Key | undefined; values: boolean }): Look {
  return {
    ops: [{ type: 'range', ...range, keysOnly: !options.values }],
    seenIn: ([reply]) => {
      invariant(reply?.type === 'range', 'the last operation of a join looks at the line');
      const present = new Map(reply.kvs.map((kv) => [kv.key, kv]));
      const isGuarded = options.sentinel !== undefined && present.has(options.sentinel);
      return { present, count: reply.count - (isGuarded ? 1 : 0), isGuarded };
    },
  };
}

export function lookInACrowd(range: KeyRange, sentinel: Key): Look {
  return {
    ops: [{ type: 'range', ...range, countOnly: true }, get(sentinel, { keysOnly: true })],
    seenIn: ([line, guard]) => {
      invariant(line?.type === 'range' && guard?.type === 'range', 'a join ends with two ranges');
      return { present: undefined, count: line.count, isGuarded: guard.count > 0 };
    },
  };
}
