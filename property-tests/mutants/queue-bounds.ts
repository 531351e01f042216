/** Bugs that bounded queues have or had, and variants that were tempting when this one was designed. */
import type { Mutant } from './mutant.js';

const plan = 'src/queues/bounds/credit-plan.ts';
const round = 'src/queues/bounds/credit-round.ts';
const creditKeys = 'src/queues/bounds/credit-keys.ts';
const account = 'src/queues/bounds/credit-account.ts';
const entrance = 'src/queues/bounds/entrance.ts';
const killedBy = 'queue-bounds';

export const queueBoundsMutants: readonly Mutant[] = [
  {
    name: 'unspent-credit-not-counted',
    file: round,
    find: ': bound.maxLength - live - unspent };',
    replace: ': bound.maxLength - live };',
    story:
      "Curator's bounded queues count the items that are there: two producers that look at the same time both find room",
    killedBy,
    invariant: 'QUEUE-28',
  },
  {
    name: 'credit-taken-back-unguarded',
    file: creditKeys,
    find: "if (demandMod !== undefined) compares.push(compare.mod(accountKey(keys, name, 'u'), 'equal', demandMod));",
    replace: '',
    story: 'Credit is given to another that its owner is just spending',
    killedBy,
    invariant: 'QUEUE-28',
  },
  {
    name: 'spent-whatever-was-taken-back',
    file: account,
    find: "...(count === 0 ? [] : [compare.value(granted, 'greater', leastGrant(total))]),",
    replace: '',
    story: 'A producer trusts what it knows of its credit: it paused, and others have it by now',
    killedBy,
    invariant: 'QUEUE-28',
  },
  {
    name: 'planned-on-what-its-own-write-has-changed',
    file: plan,
    find: 'this.#notBefore = accepted ? revision : write.seen + 1;',
    replace: 'void [write, accepted, revision];',
    story: 'The reply to a grant overtakes the watch, and what was given is given again',
    killedBy,
    invariant: 'QUEUE-28',
  },
  {
    name: 'credit-without-the-control',
    file: creditKeys,
    find: "const compares: Compare[] = [compare.mod(keys.control, 'equal', control)];",
    replace: 'const compares: Compare[] = [];\n  void control;',
    story: 'A bound is made smaller, and what was decided under the old one is still given',
    killedBy,
    invariant: 'QUEUE-28',
  },
  {
    name: 'news-counted-that-the-read-has-counted',
    file: plan,
    find: 'else if (this.#asOf !== undefined && revision > this.#asOf) this.#apply(change, revision);',
    replace: 'else if (this.#asOf !== undefined) this.#apply(change, revision);',
    story:
      'A count and a stream of changes that overlap: items that went are counted out twice, and there is room for more',
    killedBy,
    invariant: 'QUEUE-28',
  },
  {
    name: 'drop-the-newest',
    file: 'src/queues/bounds/oldest.ts',
    find: 'return level === otherLevel ? id < other : level > otherLevel;',
    replace: 'return level === otherLevel ? id > other : level > otherLevel;',
    story: 'A ring buffer that is read from the wrong end',
    killedBy,
    invariant: 'QUEUE-28',
  },
  {
    name: 'drop-what-is-worked-on',
    file: 'src/queues/dispatch/planned-jobs.ts',
    find: "for (const job of this.#jobs.values()) if (!('worker' in job.place)) yield job;",
    replace: 'for (const job of this.#jobs.values()) yield job;',
    story: 'Redis Streams trimmed by MAXLEN: entries go that consumers have been given and not acknowledged',
    killedBy,
    invariant: 'QUEUE-28',
  },
  {
    name: 'account-of-the-dead-kept',
    file: plan,
    find: 'const gone = [...this.#accounts.values()].filter(({ here }) => !here);',
    replace: 'const gone: { readonly index: number }[] = [];',
    story:
      'Permits that died with their holder: a semaphore of tokens without leases, as early Curator recipes had',
    killedBy,
    invariant: 'not live',
  },
  {
    name: 'refused-for-want-of-credit',
    file: entrance,
    find: 'const answer = await this.#wait(account, head, wanted);',
    replace:
      "const answer = bound.whenFull === 'refuse' ? 'refused' : await this.#wait(account, head, wanted);",
    story: 'A producer without credit says that the queue is full, and it is empty',
    killedBy,
    invariant: 'QUEUE-29',
  },
  {
    name: 'taken-away-bound-told-to-nobody',
    file: round,
    find: 'if (this.#bound === undefined || account.demand.next > this.#bound.maxLength) {',
    replace:
      'if (this.#bound === undefined) return false;\n    if (account.demand.next > this.#bound.maxLength) {',
    story: 'The limit is lifted, and those who wait for it wait on',
    killedBy,
    invariant: 'not live',
  },
  {
    name: 'no-look-at-the-account-after-a-cut',
    file: account,
    find: 'if (!first)',
    replace: 'if (first && !first)',
    story: 'A watch that was cut goes on from now, and the grant that came between is waited for',
    killedBy,
    invariant: 'not live',
  },
];
