/** Bugs that other queues have or had, and variants that were tempting when this one was designed, one decision each. */
import type { Mutant } from './mutant.js';

const transactions = 'src/queues/dispatch/transactions.ts';
const pipeline = 'src/queues/producer/enqueue-pipeline.ts';
const plan = 'src/queues/dispatch/dispatch-plan.ts';
const dispatcher = 'src/queues/dispatch/dispatcher.ts';
const heldJob = 'src/queues/worker/held-job.ts';
const membership = 'src/queues/worker/membership.ts';
const intake = 'src/queues/worker/intake.ts';
const killedBy = 'queue';

const ofProducers: readonly Mutant[] = [
  {
    name: 'place-by-an-earlier-read',
    file: pipeline,
    find: 'this.#read(group), this.#leasesFor(group)',
    replace:
      'this.#lastRevision > 0 ? { revision: this.#lastRevision, control: 0 } : this.#read(group), this.#leasesFor(group)',
    story:
      'Tempting: the revision of the last reply as the place of the next item. 12 inversions in 400 groups when it was tried',
    killedBy,
    invariant: 'QUEUE-4',
  },
  {
    name: 'enqueue-without-gate',
    file: 'src/queues/producer/group-request.ts',
    find: "...[...smallest].map(([level, id]) => compare.value(keys.gateOf(level), 'less', id)),",
    replace: '',
    story:
      "Tempting: an item's place from a read, and no gate. A producer that pauses puts it below the cursor, where nobody looks",
    killedBy,
    invariant: 'QUEUE-8',
  },
  {
    name: 'unknown-enqueue-told-as-not-applied',
    file: 'src/queues/producer/waiting-call.ts',
    find: 'this.#end(() => this.#reject(sent || this.#entered ? asUnknown(error) : error));',
    replace: 'this.#end(() => this.#reject(error));',
    story:
      "etcd's Go recipes: an error of a transaction is returned as it is, as if nothing had been applied (deleteRevKey, putNewKV)",
    killedBy,
    invariant: 'QUEUE-2',
  },
];

const ofTheDispatcher: readonly Mutant[] = [
  {
    name: 'dispatcher-writes-without-term',
    file: transactions,
    find: "compare: [compare.create(mine, 'equal', term.revision)],\n    success,",
    replace: 'compare: [],\n    success,',
    story:
      'Curator #1137, #1169: two leaders; Kubernetes #44887: a deposed leader writes on, since nothing fences it',
    killedBy,
    invariant: 'QUEUE-6, QUEUE-8, QUEUE-3, QUEUE-7, QUEUE-4',
  },
  {
    name: 'dispatcher-when-the-one-before-it-stops',
    file: 'src/queues/dispatch/candidacy.ts',
    find: 'if (older.length === 0) return true;',
    replace: `const known = line as any;
        const before = [...older].sort((a, b) => a.createRevision - b.createRevision).at(-1)?.key;
        known.before ??= before;
        if (older.length === 0 || known.before !== before) return true;`,
    story: 'microsoft/etcd3 #176: third in line becomes the leader when the second stops',
    killedBy,
    invariant: 'QUEUE-6, QUEUE-8',
  },
  {
    name: 'window-without-range-guard',
    file: transactions,
    find: "compare: [compare.create(keys.itemsBetween(from, to), 'less', revision + 1)],",
    replace: 'compare: [],',
    story:
      'Tempting: the cursor passes whatever was put after its window was read. 5 of 2,400 items stranded when it was tried',
    killedBy,
    invariant: 'QUEUE-1, QUEUE-4, not live',
  },
  {
    name: 'presence-unchecked',
    file: transactions,
    find: "...assignments.map(({ worker, create }) => compare.create(keys.presence(worker), 'equal', create)),",
    replace: '',
    story:
      'Tempting: jobs are assigned to whom was there a moment ago. Nobody takes them back from a worker that has gone',
    killedBy,
    invariant: 'QUEUE-7',
  },
  {
    name: 'take-back-without-guard',
    file: transactions,
    find: `compare: [
        compare.create(keys.item(job.id), 'equal', job.create),
        compare.version(keys.generation(job.id), 'equal', job.generation),
      ],`,
    replace: 'compare: [],',
    story:
      'Bull #82, #850: a stalled job is put back though it was finished at that moment, and is run again',
    killedBy,
    invariant: 'QUEUE-3, QUEUE-6',
  },
  {
    name: 'take-back-without-generation',
    file: transactions,
    find: 'success: [put(keys.generation(job.id), encodeTakeBack(lossOf(job)))],',
    replace: 'success: [get(keys.generation(job.id))],',
    story: 'Bull #308: a stalled job goes to another worker, and nothing tells the two attempts apart',
    killedBy,
    invariant: 'QUEUE-6, QUEUE-5, QUEUE-1, QUEUE-7, not live',
  },
  {
    name: 'leased-records',
    file: dispatcher,
    find: 'const request = requestOf(this.#keys, this.#term, write, () => this.#nextSequence());',
    replace: `const { leaseId: lease } = await this.#client.session();
    const leased = (op: any): any =>
      op.type === 'txn'
        ? { ...op, success: op.success.map(leased) }
        : op.type === 'put' && op.key.startsWith(this.#keys.records.key) ? { ...op, lease } : op;
    const plain = requestOf(this.#keys, this.#term, write, () => this.#nextSequence());
    const request = { ...plain, success: plain.success.map(leased) };`,
    story:
      'Kazoo LockingQueue, Curator DistributedQueue: who has an item is written on a session, whose end erases it (Curator #1122)',
    killedBy,
    invariant: 'QUEUE-6',
  },
  {
    name: 'superseded-records-believed',
    file: plan,
    find: 'if (this.#generations.of(job.id) !== job.generation || this.#jobs.get(job.id) !== undefined) continue;',
    replace: 'if (this.#jobs.get(job.id) !== undefined) continue;',
    story: 'Bull #1416: what a worker that lost its job has written is taken for the state of the job',
    killedBy,
    invariant: 'QUEUE-6, QUEUE-1, QUEUE-7, not live',
  },
  {
    name: 'worker-loss-ignored',
    file: plan,
    find: 'this.#workers.gone(change.worker);',
    replace: '',
    story:
      "etcd's Go recipe Queue, Curator's queue without a lock path: an item is taken out before it is worked on, and dies with its worker",
    killedBy,
    invariant: 'QUEUE-7',
  },
  {
    name: 'events-dropped-at-the-switch-to-the-tail',
    file: 'src/queues/dispatch/levels/window-reader.ts',
    find: 'return this.#remaining([...items, ...this.#ahead.filter((item) => item.create > revision)]);',
    replace: 'return this.#remaining(items);',
    story:
      'Read, then watch from now: what comes between is seen by neither (Redisson #1763: missed wake-ups)',
    killedBy,
    invariant: 'QUEUE-1, QUEUE-4, not live',
  },
  {
    name: 'changes-dropped-while-loading',
    file: dispatcher,
    find: 'else if (this.#plan === undefined) this.#early.push(item);',
    replace: 'else if (this.#plan === undefined) return;',
    story: 'Watch, then read, and what was told meanwhile is thrown away: who went during the reading stays',
    killedBy,
    invariant: 'QUEUE-1, QUEUE-4, QUEUE-7, not live',
  },
  {
    name: 'ready-out-of-order',
    file: 'src/queues/dispatch/choice/sorted-ids.ts',
    find: 'if (last === undefined || this.#ids.length === this.#start || id > last) {',
    replace: 'if (last === undefined || true) {',
    story:
      "etcd's Go recipe Queue gives out by create revision; where order is in the key, what is seen last is not last",
    killedBy,
    invariant: 'QUEUE-4, QUEUE-1, not live',
  },
  {
    name: 'refused-in-part',
    file: transactions,
    find: 'const jobs = assignments.flatMap((assignment) => assignment.jobs);',
    replace: `if (assignments.length > 1) {
    return nested({ success: assignments.map((one) => assign(keys, { assignments: [one], control }, nextSequence)) });
  }
  const jobs = assignments.flatMap((assignment) => assignment.jobs);`,
    story:
      "Tempting: each worker's assignment by itself. One is refused, and later items are given out before its own",
    killedBy,
    invariant: 'QUEUE-4',
  },
];

const ofWorkers: readonly Mutant[] = [
  {
    name: 'acknowledge-without-generation',
    file: heldJob,
    find: "      compare.version(keys.generation(id), 'equal', generation),\n",
    replace: '',
    story:
      'Bull #308: the queue may complete a job twice, for the worker that stalled and the one that has it now',
    killedBy,
    invariant: 'QUEUE-6',
  },
  {
    name: 'acknowledge-by-existence',
    file: heldJob,
    find: `return [
      compare.create(keys.item(id), 'equal', create),
      compare.version(keys.generation(id), 'equal', generation),
    ];`,
    replace: "return [compare.version(keys.item(id), 'greater', 0)];",
    story:
      'Kazoo LockingQueue, Curator DistributedQueue: who finds the node deletes it, whoever has it now (Curator #1122)',
    killedBy,
    invariant: 'QUEUE-6',
  },
  {
    name: 'effects-outside-the-acknowledgement',
    file: heldJob,
    find: 'const reply = await this.#settle(options, async (cleanUp, limits) => {',
    replace: `if (user?.success !== undefined) await this.#context.store.txn({ compare: [], failure: [], ...user, success: user.success });
    const reply = await this.#settle(options, async (cleanUp, limits) => {`,
    story:
      'Any queue without transactions: the effect stands, and the job comes back (Curator #1122 asks for the transaction)',
    killedBy,
    invariant: 'QUEUE-5',
  },
  {
    name: 'lost-reply-taken-for-a-refusal',
    file: heldJob,
    find: 'throw this.isUncertain && !isKnown ? this.#unknown() : this.fenced();',
    replace: 'throw this.fenced();',
    story:
      "etcd's Go recipe Queue: a delete whose reply was lost counts as failed (deleteRevKey), though it was done",
    killedBy,
    invariant: 'QUEUE-5',
  },
  {
    name: 'no-catching-up-after-a-cut',
    file: membership,
    find: 'if (!first) void this.#intake.catchUp(item.revision).catch((error: unknown) => this.end(error));',
    replace: '',
    story: 'Curator #1140: after a long disconnection the queue is not filled any more',
    killedBy,
    invariant: 'QUEUE-1, not live',
  },
  {
    name: 'record-taken-twice-after-a-cut',
    file: intake,
    find: 'const range = { ...this.#keys.recordsOf(this.#worker), maxCreateRevision: revision };',
    replace: 'const range = this.#keys.recordsOf(this.#worker);',
    story:
      'Found here: after a cut a worker read what its watch brought as well, and ran a job twice in one generation',
    killedBy,
    invariant: 'QUEUE-6',
  },
  {
    name: 'presence-left-behind',
    file: 'src/queues/leave-behind-nothing.ts',
    find: "if (isQuorateError(error, 'closed')) return;",
    replace: 'return;',
    story:
      'Found here: a worker that closed while the store was away stayed present with its session, and was given jobs for ever',
    killedBy,
    invariant: 'QUEUE-1, not live',
  },
];

export const queueMutants: readonly Mutant[] = [...ofProducers, ...ofTheDispatcher, ...ofWorkers];
