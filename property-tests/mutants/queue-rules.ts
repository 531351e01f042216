/** Rules that other queues break, and variants of ours that were tempting, one decision each. */
import type { Mutant } from './mutant.js';

const transactions = 'src/queues/dispatch/transactions.ts';
const plan = 'src/queues/dispatch/dispatch-plan.ts';
const choice = 'src/queues/dispatch/choice/choice.ts';
const rules = 'src/queues/dispatch/choice/fleet-rules.ts';
const killedBy = 'queue-rules';

export const queueRulesMutants: readonly Mutant[] = [
  {
    name: 'assignment-without-the-control',
    file: transactions,
    find: "      compare.mod(keys.control, 'equal', control),\n",
    replace: '',
    story:
      'Bull #447: a job that was waited for when the queue was paused comes all the same, and is worked on',
    killedBy,
    invariant: 'QUEUE-9, QUEUE-11, QUEUE-12',
  },
  {
    name: 'key-freed-at-failure',
    file: choice,
    find: "isWaiting: ({ stand }) => stand === 'ready' || stand === 'delayed',\n      mayGo",
    replace: "isWaiting: ({ stand }) => stand === 'ready',\n      mayGo",
    story:
      'Queues with a lock for each key (laravel/ideas #1405): a job that is put back gives it free, and the order is gone',
    killedBy,
    invariant: 'QUEUE-10',
  },
  {
    name: 'full-bucket-at-takeover',
    file: 'src/queues/dispatch/choice/token-bucket.ts',
    find: '    this.#most = burst * perMs;\n',
    replace: '    this.#most = burst * perMs;\n    this.#credit = this.#most;\n',
    story:
      'Tempting: a new dispatcher begins with a full bucket. Two bursts in a row, one before and one after',
    killedBy,
    invariant: 'QUEUE-12',
  },
  {
    name: 'takeover-without-what-is-in-hand',
    file: plan,
    find: "this.#jobs.add({ ...job, place: { status: 'assigned', worker } });",
    replace: "this.#jobs.add({ ...job, traits: undefined, place: { status: 'assigned', worker } });",
    story:
      'Tempting: what is in hand is counted in the memory of who gives out; a successor that begins at zero gives out as much again',
    killedBy,
    invariant: 'QUEUE-10, QUEUE-11',
  },
  {
    name: 'group-limit-for-each-worker',
    file: rules,
    find: 'return (Object.hasOwn(groups, group) ? groups[group] : undefined) ?? groupConcurrency;',
    replace: 'return 2 * ((Object.hasOwn(groups, group) ? groups[group] : undefined) ?? groupConcurrency);',
    story: 'Bull #1922: a concurrency is that of each worker, so two workers do twice as much',
    killedBy,
    invariant: 'QUEUE-11',
  },
  {
    name: 'fleet-limit-for-each-write',
    file: rules,
    find: 'const places = (limits.concurrency ?? Number.POSITIVE_INFINITY) - inHand;',
    replace: 'const places = limits.concurrency ?? Number.POSITIVE_INFINITY;',
    story:
      'A limit that bounds what is fetched at a time and not what is being worked on (Bull #2221 asks for the difference)',
    killedBy,
    invariant: 'QUEUE-11',
  },
  {
    name: 'tokens-never-taken',
    file: plan,
    find: '      this.#rules.given(given.length, write.control, nowMs);\n',
    replace: '',
    story: 'Any limiter that looks and does not take: every write finds the same tokens',
    killedBy,
    invariant: 'QUEUE-12',
  },
  {
    name: 'cancelled-after-its-item-went',
    file: plan,
    find: 'this.#cancellations.cancelled({ id, reason, worker: inHand });',
    replace: 'this.#cancellations.cancelled({ id, reason, worker: undefined });',
    story:
      'Tempting: changes are taken as they come. The item goes first, and then nobody knows who works on it (Bull #114, pg-boss #384: no way to tell)',
    killedBy,
    invariant: 'QUEUE-13',
  },
  {
    name: 'cancellations-left-by-the-last-term',
    file: plan,
    find: '    for (const [id, reason] of state.cancelled) this.#cancelled(id, reason);\n',
    replace: '',
    story: 'Watch from now, and what was asked before stays unheard (Redisson #1763: missed wake-ups)',
    killedBy,
    invariant: 'QUEUE-13, not live',
  },
  {
    name: 'refused-by-the-control-thought-gone',
    file: plan,
    find: 'for (const id of assignment.itemsGone) this.#itemGone(id);',
    replace: 'for (const id of assignment.control ? given : assignment.itemsGone) this.#itemGone(id);',
    story:
      'One answer for every refusal: a pause in the wrong moment, and the jobs of that write are never given out',
    killedBy,
    invariant: 'QUEUE-4, QUEUE-10, not live',
  },
];
