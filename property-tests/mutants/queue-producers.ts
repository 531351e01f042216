/** Bugs of other queues' producers, and variants that were tempting when this side was designed, one decision each. */
import type { Mutant } from './mutant.js';

const pipeline = 'src/queues/producer/enqueue-pipeline.ts';
const group = 'src/queues/producer/group-request.ts';
const idempotency = 'src/queues/producer/idempotency.ts';
const leases = 'src/queues/expiring-leases.ts';
const purge = 'src/queues/emptying/purge.ts';
const letters = 'src/queues/dead-letters/dead-letters.ts';
const killedBy = 'queue-producers';

const ofIdempotency: readonly Mutant[] = [
  {
    name: 'idempotency-key-unguarded',
    file: idempotency,
    find: "compare: [compare.create({ key }, 'equal', 0)],",
    replace: 'compare: [],',
    story: 'Looked up before the write, or not at all: two who look at the same time both put their item',
    killedBy,
    invariant: 'QUEUE-14',
  },
  {
    name: 'idempotency-key-outside-the-transaction',
    file: idempotency,
    find: "success: (id, lease) => [{ type: 'put', key, value: Buffer.from(id), lease }],",
    replace: 'success: () => [],',
    story: 'The key is written once the item is in: who dies in between, or is faster, puts it again',
    killedBy,
    invariant: 'QUEUE-14',
  },
  {
    name: 'window-without-room-for-sharing',
    file: leases,
    find: 'this.#grant(keptSeconds + Math.ceil(shareMs / 1_000))',
    replace: 'this.#grant(keptSeconds)',
    story: 'A lease that many share is counted from its grant, and the last of them has what is left of it',
    killedBy,
    invariant: 'QUEUE-14',
  },
  {
    name: 'window-shared-too-long',
    file: leases,
    find: 'untilMs: nowMs + shareMs * usedPart',
    replace: 'untilMs: nowMs + shareMs * 3',
    story: 'The same from the other side: keys are put on a lease that is nearly over',
    killedBy,
    invariant: 'QUEUE-14',
  },
  {
    name: 'window-without-lease',
    file: idempotency,
    find: 'value: Buffer.from(id), lease }',
    replace: 'value: Buffer.from(id) }',
    story: 'Keys that nobody deletes: the store fills up, and no call after the window puts anything',
    killedBy,
    invariant: 'not live',
  },
  {
    name: 'declined-taken-for-entered',
    file: group,
    find: "if (inner?.type === 'txn' && !inner.succeeded) return condition.declined(inner.replies);",
    replace: '',
    story:
      'A duplicate is answered with the id that it would have had: whoever waits for that waits for ever',
    killedBy,
    invariant: 'QUEUE-1',
  },
  {
    name: 'two-of-one-key-in-a-group',
    file: group,
    find: 'if (before !== undefined) return behind(condition, before);',
    replace: '',
    story:
      'Compares see the state before the request: both hold, and etcd refuses the group for writing a key twice',
    killedBy,
    invariant: 'QUEUE-14, QUEUE-16',
  },
  {
    name: 'lease-gone-refuses-the-callers',
    file: pipeline,
    find: "return 'lease-gone';",
    replace: 'for (const submission of live) submission.reject(failure);',
    story:
      'One lease that ran out while the process stood still fails all calls of the group, with keys or not',
    killedBy,
    invariant: 'QUEUE-14',
  },
];

const ofGroups: readonly Mutant[] = [
  {
    name: 'group-with-those-who-left',
    file: pipeline,
    find: "const live: Submission[] = preparation.group.filter(({ state }) => state !== 'over');",
    replace: 'const live: Submission[] = [...preparation.group];',
    story:
      'Found here: a group was sent again with the item of a caller that had given up meanwhile, and had been told that it was not applied',
    killedBy,
    invariant: 'QUEUE-2',
  },
  {
    name: 'enqueue-without-control',
    file: group,
    find: "compare.mod(keys.control, 'equal', reading.control),",
    replace: '',
    story: 'Tempting: whether the queue is closed is asked before the write, and it is closed in between',
    killedBy,
    invariant: 'QUEUE-15',
  },
  {
    name: 'slow-schema-overtaken',
    file: 'src/queues/producer/producer.ts',
    find: 'if (this.#turns === undefined && !(prepared instanceof Promise))',
    replace: 'if (!(prepared instanceof Promise))',
    story:
      'Each call is submitted when it has been validated: an asynchronous schema changes the order of the calls',
    killedBy,
    invariant: 'QUEUE-4',
  },
];

const ofOperators: readonly Mutant[] = [
  {
    name: 'purge-of-what-came-later',
    file: purge,
    find: 'kvs.filter(({ createRevision }) => createRevision <= upTo)',
    replace: 'kvs.filter(() => true)',
    story:
      'Whatever is found below is deleted, also the item of a producer that had read before and wrote after',
    killedBy,
    invariant: 'QUEUE-1',
  },
  {
    name: 'redrive-without-guard',
    file: letters,
    find: "compare: [compare.mod({ key }, 'equal', modRevision)],",
    replace: 'compare: [],',
    story: 'Read, put, deleted: two who retry the failed jobs at the same time put each of them twice',
    killedBy,
    invariant: 'QUEUE-16',
  },
  {
    name: 'redrive-leaves-the-letter',
    file: letters,
    find: "success: () => [{ type: 'delete', key } as const],",
    replace: 'success: () => [],',
    story: 'The item is put, and its letter deleted later: who dies in between brings it back again',
    killedBy,
    invariant: 'QUEUE-16',
  },
];

export const queueProducersMutants: readonly Mutant[] = [...ofIdempotency, ...ofGroups, ...ofOperators];
