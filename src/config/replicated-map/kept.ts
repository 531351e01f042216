import { isQuorateError, QuorateError } from '../../errors.js';
import type { Payloads } from '../../payload/index.js';
import type { KeyValue } from '../../store/index.js';
import type { MapKeys } from './map-keys.js';
import type { MapEntry, UnreadableEntry } from './types.js';

/** What is kept of a key of the prefix. */
export interface Kept<K extends string, V> {
  /** Undefined: it is no entry. */
  readonly name: K | undefined;
  /** The last that could be read. */
  readonly entry: MapEntry<V> | undefined;
  /** What stands there cannot be. */
  readonly unreadable: UnreadableEntry | undefined;
}

const noEntry: Kept<never, never> = { name: undefined, entry: undefined, unreadable: undefined };

/** Decodes what was written, once. Never throws or rejects. */
export function keptOf<K extends string, V>(
  keys: MapKeys,
  payloads: Payloads<V>,
  kv: KeyValue,
  before: Kept<K, V> | undefined,
): Kept<K, V> | Promise<Kept<K, V>> {
  // A name that was made before is not made again.
  const name = before?.name ?? (keys.nameOf(kv.key) as K | undefined);
  if (name === undefined) return noEntry;
  const revision = kv.modRevision;
  const read = (value: V): Kept<K, V> => ({ name, entry: { value, revision }, unreadable: undefined });
  const refused = (error: unknown): Kept<K, V> => ({
    ...{ name, entry: before?.entry },
    unreadable: { revision, error: asQuorateError(error) },
  });
  try {
    const value = payloads.decode(kv.value);
    return value instanceof Promise ? value.then(read, refused) : read(value);
  } catch (error) {
    return refused(error);
  }
}

function asQuorateError(error: unknown): QuorateError {
  if (isQuorateError(error)) return error;
  return new QuorateError('internal', 'the value could not be read in an unforeseen way', { cause: error });
}
