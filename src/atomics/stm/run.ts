import { invalidArgument, QuorateError, shown } from '../../errors.js';
import { Guards, type TransactionGuard } from '../../guard/index.js';
import {
  type Codec,
  inRange,
  jsonCodec,
  type Key,
  type KeyRange,
  keyOf,
  prefixRange,
  textOfKey,
} from '../../store/index.js';
import type { Reads } from './reads.js';
import type { RangeQuery, Seen } from './snapshot.js';
import type { Entry, Transaction, TransactionRangeOptions } from './transaction.js';

const json = jsonCodec<unknown>();

/** One run of the function of a transaction: what it has read, and what it wants written. */
export class Run implements Transaction {
  readonly guards = new Guards();
  readonly #reads: Reads;
  readonly #writes = new Map<Key, Uint8Array | undefined>();
  #hasEnded = false;

  constructor(reads: Reads) {
    this.#reads = reads;
  }

  /** Undefined stands for a deletion. */
  get writes(): ReadonlyMap<Key, Uint8Array | undefined> {
    return this.#writes;
  }

  /** The function has returned, or nobody waits for it any more. */
  end(): void {
    this.#hasEnded = true;
  }

  get<T>(text: string, codec?: Codec<T>): Promise<T | undefined> {
    return neverUnhandled(this.#get(text, codec));
  }

  range<T>(
    range: { readonly prefix: string } | Required<KeyRange>,
    options: TransactionRangeOptions<T> = {},
  ): Promise<readonly Entry<T>[]> {
    return neverUnhandled(this.#range(range, options));
  }

  put<T>(text: string, value: T, codec?: Codec<T>): void {
    this.#assertOpen();
    this.#writes.set(checkedKey(text), encoded(value, text, codec));
  }

  delete(text: string): void {
    this.#assertOpen();
    this.#writes.set(checkedKey(text), undefined);
  }

  guard(guard: TransactionGuard): void {
    this.#assertOpen();
    this.guards.add(guard);
  }

  async #get<T>(text: string, codec: Codec<T> | undefined): Promise<T | undefined> {
    this.#assertOpen();
    const key = checkedKey(text);
    const decode = decoderOf(codec);
    const bytes = this.#writes.has(key) ? this.#writes.get(key) : (await this.#reads.key(key))?.value;
    return bytes === undefined ? undefined : decode(bytes, key);
  }

  async #range<T>(
    range: { readonly prefix: string } | Required<KeyRange>,
    options: TransactionRangeOptions<T>,
  ): Promise<readonly Entry<T>[]> {
    this.#assertOpen();
    if (typeof options !== 'object' || options === null) {
      throw invalidArgument(
        `options are of type ${typeof options}`,
        'an object with codec or limit, or none',
      );
    }
    const { codec, limit } = options;
    const keys = checkedRange(range);
    checkLimit(limit);
    const decode = decoderOf(codec);
    const found = await this.#found(keys, limit);
    return found.map(([key, bytes]) => ({ key: textOfKey(key), value: decode(bytes, key) }));
  }

  /** What the store has, and the own writes laid over it. As many more are asked for as own deletions may take away. */
  async #found(keys: Required<KeyRange>, limit: number | undefined): Promise<readonly [Key, Uint8Array][]> {
    const own = [...this.#writes].filter(([key]) => inRange(keys, key));
    const deleted = own.filter(([, bytes]) => bytes === undefined).length;
    const query: RangeQuery = limit === undefined ? keys : { ...keys, limit: limit + deleted };
    const stored: readonly (readonly [Key, Seen])[] = await this.#reads.range(query);
    const merged = new Map(stored.map(([key, { value }]) => [key, value]));
    for (const [key, bytes] of own) {
      if (bytes === undefined) merged.delete(key);
      else merged.set(key, bytes);
    }
    const sorted = [...merged].sort(([one], [other]) => (one < other ? -1 : 1));
    return limit === undefined ? sorted : sorted.slice(0, limit);
  }

  #assertOpen(): void {
    if (this.#hasEnded)
      throw new QuorateError('closed', 'the transaction has ended: its function has returned');
  }
}

/**
 * A function that asks for `a` and `b`, and then waits for `a` and for `b`, never comes to wait for `b` where both fail; that is
 * not to end its process.
 */
function neverUnhandled<T>(reading: Promise<T>): Promise<T> {
  reading.catch(() => {});
  return reading;
}

function checkedKey(key: unknown): Key {
  if (typeof key === 'string' && key !== '') return keyOf(key);
  throw invalidArgument(`the key is ${shown(key) || 'empty'}`, 'a non-empty string');
}

function checkedRange(range: unknown): Required<KeyRange> {
  const { prefix, key, rangeEnd } = (range ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof prefix === 'string') return prefixRange(keyOf(prefix));
  if (typeof key === 'string' && typeof rangeEnd === 'string') {
    if (key !== '' && (rangeEnd === '\0' || rangeEnd > key)) return { key, rangeEnd };
  }
  throw invalidArgument(
    'the range has no keys',
    '{ prefix }, or { key, rangeEnd } with the end above the key',
  );
}

function checkLimit(limit: unknown): void {
  if (limit === undefined || (Number.isSafeInteger(limit) && (limit as number) > 0)) return;
  throw invalidArgument(`limit is ${shown(limit)}`, 'a whole number from 1, or none');
}

function codecOf<T>(codec: Codec<T> | undefined): Codec<T> {
  if (codec === undefined) return json as Codec<T>;
  if (typeof codec?.encode === 'function' && typeof codec.decode === 'function') return codec;
  throw invalidArgument('codec cannot encode and decode', 'an object with encode and decode, or none');
}

function decoderOf<T>(given: Codec<T> | undefined): (bytes: Uint8Array, key: Key) => T {
  const codec = codecOf(given);
  return (bytes, key) => {
    try {
      return codec.decode(bytes);
    } catch (cause) {
      throw new QuorateError('codec', `the codec cannot decode what is at "${textOfKey(key)}"`, { cause });
    }
  };
}

function encoded<T>(value: T, key: string, given: Codec<T> | undefined): Uint8Array {
  const codec = codecOf(given);
  let bytes: unknown;
  try {
    bytes = codec.encode(value);
  } catch (cause) {
    throw new QuorateError('codec', `the codec cannot encode what is to be put at "${key}"`, { cause });
  }
  // Nothing at all would stand for a deletion.
  if (bytes instanceof Uint8Array) return bytes;
  throw new QuorateError('codec', `what the codec makes of what is to be put at "${key}" is no Uint8Array`);
}
