import { invalidArgument, shown } from '../../errors.js';
import type { Payloads } from '../../payload/index.js';
import { type Compare, compare, type Key } from '../../store/index.js';
import type { Expected } from './types.js';

const accepted = 'what get() told, or { revision }, or { value }';

/** What holds while the value is as expected. Of a revision and a value, as `get` tells both, the revision decides. */
export async function comparesOf<T>(
  key: Key,
  expected: Expected<T>,
  payloads: Payloads<T>,
): Promise<readonly Compare[]> {
  if (expected === undefined) return [compare.mod(key, 'equal', 0)];
  if (typeof expected !== 'object' || expected === null) {
    throw invalidArgument(`expected is ${shown(expected)}`, accepted);
  }
  if ('revision' in expected) {
    const { revision } = expected;
    if (Number.isSafeInteger(revision) && revision >= 0) return [compare.mod(key, 'equal', revision)];
    throw invalidArgument(`expected.revision is ${shown(revision)}`, 'a revision from 0');
  }
  if ('value' in expected) return [compare.value(key, 'equal', await payloads.encode(expected.value))];
  throw invalidArgument('expected names neither a revision nor a value', accepted);
}
