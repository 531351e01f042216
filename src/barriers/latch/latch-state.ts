import { bytesOf, type Key, type KeyRange, type KeyValue, textOf } from '../../store/index.js';

export interface LatchKeys {
  /** Of every key of the latch. */
  readonly prefix: Key;
  /** Of one key for each arrival that was counted. */
  readonly arrivals: Key;
  /** Written by each arrival, so its version counts them; says how many open the latch. */
  readonly count: Key;
  /** There once it is open. */
  readonly open: Key;
  /** The two keys before this one, and nothing else. */
  readonly facts: KeyRange;
}

export function latchKeys(prefix: Key): LatchKeys {
  const [count, open] = [`${prefix}n`, `${prefix}open`];
  return {
    ...{ prefix, arrivals: `${prefix}c/`, count, open },
    facts: { key: count, rangeEnd: `${open}\0` },
  };
}

/** What the key of the open latch says. */
export interface OpenRecord {
  /** How many arrivals opened it. */
  readonly count: number;
  /** The arrival that did. */
  readonly by: string;
}

export function encodeOpen(record: OpenRecord): Uint8Array {
  return bytesOf(JSON.stringify(record));
}

/** Undefined for what nobody here has written: it is open all the same. */
export function decodeOpen({ value }: Pick<KeyValue, 'value'>): OpenRecord | undefined {
  try {
    const { count, by } = JSON.parse(textOf(value)) as Partial<Record<keyof OpenRecord, unknown>>;
    return typeof count === 'number' && typeof by === 'string' ? { count, by } : undefined;
  } catch {
    return undefined;
  }
}

/** A latch as two keys of one revision show it. */
export interface LatchFacts {
  readonly isOpen: boolean;
  readonly arrived: number;
  /** How many open it, by who came first; undefined before anybody came, or where that is unreadable. */
  readonly count: number | undefined;
}

export function factsOf(kvs: readonly KeyValue[], keys: LatchKeys): LatchFacts {
  const [count, open] = [keys.count, keys.open].map((key) => kvs.find((kv) => kv.key === key));
  if (open !== undefined) {
    const opened = decodeOpen(open)?.count;
    return { isOpen: true, arrived: opened ?? 0, count: opened };
  }
  const stored = count === undefined ? undefined : Number(textOf(count.value));
  return {
    ...{ isOpen: false, arrived: count?.version ?? 0 },
    count: Number.isSafeInteger(stored) ? stored : undefined,
  };
}
