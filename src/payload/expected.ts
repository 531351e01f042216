import { invalidArgument, shown } from '../errors.js';
import { type Compare, compare, type Key } from '../store/index.js';
import type { Payloads } from './payloads.js';

/** What a value under a key is to be if a write is to happen. */
export type Expected<T> =
  /** What a read told: that very write, or, undefined, none. Of the two that it tells, the revision decides. */
  | { readonly value: T; readonly revision: number }
  | undefined
  /** The write of this revision; 0 for none. */
  | { readonly revision: number }
  /** Any write of these bytes: compared as the codec encodes them, so objects with their fields in the same order. */
  | { readonly value: T };

const accepted = 'what get() told, or { revision }, or { value }';

/** What holds while the value is as expected. Of a revision and a value, as `get` tells both, the revision decides. */
export async function comparesOf<T>(
  key: Key,
  expected: Expected<T>,
  payloads: Payloads<T>,
): Promise<readonly Compare[]> {
  const subject = { key };
  if (expected === undefined) return [compare.mod(subject, 'equal', 0)];
  if (typeof expected !== 'object' || expected === null) {
    throw invalidArgument(`expected is ${shown(expected)}`, accepted);
  }
  if ('revision' in expected) {
    const { revision } = expected;
    if (Number.isSafeInteger(revision) && revision >= 0) return [compare.mod(subject, 'equal', revision)];
    throw invalidArgument(`expected.revision is ${shown(revision)}`, 'a revision from 0');
  }
  if ('value' in expected) return [compare.value(subject, 'equal', await payloads.encode(expected.value))];
  throw invalidArgument('expected names neither a revision nor a value', accepted);
}
