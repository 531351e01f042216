import { quorateErrorOf } from '../../errors.js';
import type { Payloads } from '../../payload/index.js';
import { type Runtime, waitFor } from '../../runtime/index.js';
import type { KeyValue } from '../../store/index.js';
import { schemaAnswersWithinMs } from '../schema-time.js';
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

export interface KeptParts<V> {
  readonly keys: MapKeys;
  readonly payloads: Payloads<V>;
  readonly runtime: Runtime;
  readonly ended: AbortSignal;
}

const noEntry: Kept<never, never> = { name: undefined, entry: undefined, unreadable: undefined };

/** Decodes what was written, once. A schema that does not answer holds up what comes later for no longer than its limit. Never throws or rejects. */
export function keptOf<K extends string, V>(
  { keys, payloads, runtime, ended }: KeptParts<V>,
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
    unreadable: {
      revision,
      error: quorateErrorOf(error, 'the value could not be read in an unforeseen way'),
    },
  });
  try {
    const value = payloads.decode(kv.value);
    if (!(value instanceof Promise)) return read(value);
    const limits = { timeoutMs: schemaAnswersWithinMs, signal: ended };
    return waitFor(runtime, value, limits, 'asking the schema of an entry').then(read, refused);
  } catch (error) {
    return refused(error);
  }
}
