import { invalidArgument, shown } from '../../errors.js';

/**
 * What a transaction may see of others, from the strongest level to the weakest, as in etcd's Go library. Writes of a
 * transaction are applied all at once at every level, and nothing of one that was tried in vain is ever seen.
 *
 * - `serializable-snapshot` (default): as if transactions ran one after the other, in the order of their commits and of real
 *   time. All reads are of one state; at the commit nothing that was read has changed, no range has lost or gained a key,
 *   and no key that is written was put by another since the first read, though it was not read. What slips through: a
 *   key that is written without having been read and was *deleted* meanwhile, of which etcd keeps no trace to compare.
 * - `serializable`: the same without the last, so of two that write a key without reading it the later wins. No anomaly
 *   beyond that: no lost update, no write skew, no phantom.
 * - `repeatable-reads`: a key that is read twice is the same twice, and at the commit no key that was read, those that a range
 *   found too, has changed. What slips through: **phantoms** (keys that came into a range after it was read), and **read skew
 *   while it runs**: reads of different keys may be of different states, which makes the commit fail, but only after the
 *   function has seen them together.
 * - `read-committed`: each read is of what is committed at that moment. What slips through: **lost updates**, **write skew**,
 *   phantoms, reads that do not repeat. Only for writes that do not depend on what was read.
 */
export type Isolation = 'serializable-snapshot' | 'serializable' | 'repeatable-reads' | 'read-committed';

/** What a level asks for. */
export interface IsolationRules {
  /** All reads of a run are of one state. */
  readonly isSnapshot: boolean;
  /** At the commit each key that was read is as it was read; a key read twice is the same twice. */
  readonly keepsReads: boolean;
  /** At the commit no range that was read has lost or gained a key. */
  readonly keepsRanges: boolean;
  /** At the commit no key that is written was put since the first read. */
  readonly keepsWrites: boolean;
}

const none = { isSnapshot: false, keepsReads: false, keepsRanges: false, keepsWrites: false };
const serializable = { isSnapshot: true, keepsReads: true, keepsRanges: true, keepsWrites: false };

const rules: Readonly<Record<Isolation, IsolationRules>> = {
  'serializable-snapshot': { ...serializable, keepsWrites: true },
  serializable,
  'repeatable-reads': { ...none, keepsReads: true },
  'read-committed': none,
};

/** Throws `invalid-argument` for what is no level. */
export function rulesOf(isolation: unknown): IsolationRules {
  if (typeof isolation === 'string' && Object.hasOwn(rules, isolation)) return rules[isolation as Isolation];
  throw invalidArgument(`isolation is ${shown(isolation)}`, Object.keys(rules).join(', '));
}
