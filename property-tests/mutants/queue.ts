/** Known bugs of queues, one decision each. *Wrong* is the list of tempting variants in docs/queues.md's protocol. */
import type { Mutant } from './mutant.js';

const transactions = 'src/queues/dispatch-transactions.ts';
const pipeline = 'src/queues/enqueue-pipeline.ts';
const plan = 'src/queues/dispatch/dispatch-plan.ts';
const dispatcher = 'src/queues/dispatch/dispatcher.ts';
const heldJob = 'src/queues/worker/held-job.ts';
const membership = 'src/queues/worker/membership.ts';
const killedBy = 'queue';

const ofProducers: readonly Mutant[] = [
  {
    name: 'place-by-an-earlier-read',
    file: pipeline,
    find: 'const revision = await this.#read(group);',
    replace: 'const revision = this.#lastRevision > 0 ? this.#lastRevision : await this.#read(group);',
    story:
      'The revision of a key from the last reply instead of a read after the call: 12 inversions in 400 groups, measured',
    killedBy,
    invariant: 'QUEUE-4',
  },
  {
    name: 'enqueue-without-gate',
    file: pipeline,
    find: "compare: [compare.value(this.#keys.gate, 'less', smallest ?? '')],",
    replace: 'compare: [],',
    story:
      'A producer that paused puts an item below the cursor of who reads (Curator, Kazoo: lowest name first, no gate)',
    killedBy,
    invariant: 'QUEUE-8',
  },
  {
    name: 'unknown-enqueue-told-as-not-applied',
    file: 'src/queues/fifo-queue.ts',
    find: 'settle(() => reject(sent ? asUnknown(error) : error));',
    replace: 'settle(() => reject(error));',
    story:
      'A put of unknown outcome taken for none, so that its caller puts it twice (Netflix Curator #135, etcd Go client retries)',
    killedBy,
    invariant: 'QUEUE-2',
  },
  {
    name: 'enqueue-repeated-when-unknown',
    file: pipeline,
    find: 'const reply = await this.#retrying(live, isPassing, () => {',
    replace: 'const reply = await this.#retrying(live, () => true, () => {',
    story:
      'An enqueue whose fate cannot be told is sent again (Redisson #1960: a retried command offers twice)',
    killedBy,
    invariant: 'QUEUE-2, QUEUE-3',
  },
];

const ofTheDispatcher: readonly Mutant[] = [
  {
    name: 'dispatcher-writes-without-term',
    file: transactions,
    find: "compare: [compare.create(mine, 'equal', term.revision)],\n    success,",
    replace: 'compare: [],\n    success,',
    story:
      'A deposed dispatcher goes on writing (Curator #1137, #1169: two leaders; Kubernetes #44887: no fencing)',
    killedBy,
    invariant: 'QUEUE-6, QUEUE-8, QUEUE-3',
  },
  {
    name: 'dispatcher-when-the-one-before-it-stops',
    file: 'src/queues/dispatch/candidacy.ts',
    find: 'if (older.length === 0) return true;',
    replace: `const known = line as any;
        const before = [...older].sort((a, b) => a.createRevision - b.createRevision).at(-1)?.key;
        known.before ??= before;
        if (older.length === 0 || known.before !== before) return true;`,
    story: 'Third in line takes over when the second stops, though the first leads (microsoft/etcd3 #176)',
    killedBy,
    invariant: 'QUEUE-6, QUEUE-8',
  },
  {
    name: 'window-without-range-guard',
    file: transactions,
    find: "compare: [compare.create(keys.itemsBetween(from, to), 'less', revision + 1)],",
    replace: 'compare: [],',
    story:
      'The cursor passes an item that was put after the read of its window (5 stranded in 2,400, measured)',
    killedBy,
    invariant: 'QUEUE-1, QUEUE-4, not live',
  },
  {
    name: 'claim-without-compare',
    file: transactions,
    find: "...jobs.map(({ id, create }) => compare.create(keys.item(id), 'equal', create)),",
    replace: '',
    story:
      'Head read and claimed in two steps: an item goes to two (contrib/recipes/priority_queue.go and queue.go before claimFirstKey compared)',
    killedBy,
    invariant: 'QUEUE-3, QUEUE-6',
  },
  {
    name: 'presence-unchecked',
    file: transactions,
    find: "...assignments.map(({ worker, create }) => compare.create(keys.presence(worker), 'equal', create)),",
    replace: '',
    story: 'A job is given to a worker that has gone, where nobody looks for it any more',
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
      'A stalled job is put back though it was finished in that moment (BullMQ: stalled check against moveToFinished)',
    killedBy,
    invariant: 'QUEUE-3, QUEUE-6',
  },
  {
    name: 'take-back-without-generation',
    file: transactions,
    find: 'success: [put(keys.generation(job.id), encodeTakeBack(lossOf(job)))],',
    replace: 'success: [get(keys.generation(job.id))],',
    story: 'BullMQ: a stalled job goes to another worker with nothing that tells the two attempts apart',
    killedBy,
    invariant: 'QUEUE-6, QUEUE-1, QUEUE-7, not live',
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
      'Who holds a job is written on a lease: its expiry erases that, and the next takes the job for free (Kazoo LockingQueue)',
    killedBy,
    invariant: 'QUEUE-6',
  },
  {
    name: 'superseded-records-believed',
    file: plan,
    find: 'if (generation !== job.generation || this.#jobs.get(job.id) !== undefined) continue;',
    replace: 'if (this.#jobs.get(job.id) !== undefined) continue;',
    story: 'A successor believes the record of a worker from which the job was taken long ago',
    killedBy,
    invariant: 'QUEUE-6, QUEUE-1, QUEUE-7, not live',
  },
  {
    name: 'worker-loss-ignored',
    file: plan,
    find: 'this.#workers.gone(change.worker);',
    replace: '',
    story:
      'The jobs of a worker that died stay its own (Curator DistributedQueue without lock path; Redisson #3784)',
    killedBy,
    invariant: 'QUEUE-7',
  },
  {
    name: 'events-dropped-at-the-switch-to-the-tail',
    file: 'src/queues/dispatch/window-reader.ts',
    find: 'return this.#remaining([...items, ...this.#ahead.filter((item) => item.create > revision)]);',
    replace: 'return this.#remaining(items);',
    story:
      'What comes in between the last read and the watch is seen by neither (Redisson #1763: missed wake-ups)',
    killedBy,
    invariant: 'QUEUE-1, QUEUE-4, not live',
  },
  {
    name: 'changes-dropped-while-loading',
    file: dispatcher,
    find: 'else if (this.#plan === undefined) this.#early.push(item);',
    replace: 'else if (this.#plan === undefined) return;',
    story:
      'Watching after the read instead of before it: what happens between is missed (etcd recipes: WaitEvents from the read revision)',
    killedBy,
    invariant: 'QUEUE-1, QUEUE-4, QUEUE-7, not live',
  },
  {
    name: 'ready-out-of-order',
    file: 'src/queues/dispatch/ready-list.ts',
    find: 'if (last === undefined || this.#ids.length === this.#start || id > last) {',
    replace: 'if (last === undefined || true) {',
    story:
      'Items in the order in which they were seen, not in that of the queue (contrib/recipes/queue.go: by create revision)',
    killedBy,
    invariant: 'QUEUE-4',
  },
  {
    name: 'refused-in-part',
    file: plan,
    find: 'const next = assignment.accepted ? ',
    replace: 'const next = assignment.accepted || jobs.length === 1 ? ',
    story: 'The rest of a refused assignment is taken for given',
    killedBy,
    invariant: 'QUEUE-1, QUEUE-4, QUEUE-7, not live',
  },
];

const ofWorkers: readonly Mutant[] = [
  {
    name: 'acknowledge-without-generation',
    file: heldJob,
    find: "        compare.version(keys.generation(id), 'equal', generation),\n",
    replace: '',
    story:
      'BullMQ before lock tokens: a stalled job is finished by the worker it was taken from, beside the one that has it',
    killedBy,
    invariant: 'QUEUE-6',
  },
  {
    name: 'acknowledge-by-existence',
    file: heldJob,
    find: `compare: [
        compare.create(keys.item(id), 'equal', create),
        compare.version(keys.generation(id), 'equal', generation),
      ],`,
    replace: "compare: [compare.version(keys.item(id), 'greater', 0)],",
    story: 'Curator DistributedQueue, Kazoo LockingQueue: whoever still finds the node deletes it',
    killedBy,
    invariant: 'QUEUE-6',
  },
  {
    name: 'effects-outside-the-acknowledgement',
    file: heldJob,
    find: 'const reply = await this.#settle(',
    replace: `if (user?.success !== undefined) await this.#context.store.txn({ compare: [], failure: [], ...user, success: user.success });
    const reply = await this.#settle(`,
    story:
      'Every queue without transactions: the effect is there and the job comes back (Sidekiq, BullMQ, SQS)',
    killedBy,
    invariant: 'QUEUE-5',
  },
  {
    name: 'lost-reply-taken-for-a-refusal',
    file: heldJob,
    find: 'throw this.#uncertain && isGone ? this.#unknown() : this.#fenced();',
    replace: 'throw this.#fenced();',
    story:
      'etcd Go recipe Queue: a delete whose reply was lost counts as failed, and the job is done once more',
    killedBy,
    invariant: 'QUEUE-5',
  },
  {
    name: 'no-catching-up-after-a-cut',
    file: membership,
    find: 'if (!first) void this.#catchUp(item.revision).catch((error: unknown) => this.end(error));',
    replace: '',
    story:
      'A watch that was cut goes on as if nothing had happened meanwhile (npm etcd3 Watcher; Redisson #5070)',
    killedBy,
    invariant: 'QUEUE-1, not live',
  },
  {
    name: 'record-taken-twice-after-a-cut',
    file: membership,
    find: 'const range = { ...this.#keys.recordsOf(this.worker), maxCreateRevision: revision };',
    replace: 'const range = this.#keys.recordsOf(this.worker);',
    story: 'Found here: what the watch brings as well is read after a cut, done, and done once more',
    killedBy,
    invariant: 'QUEUE-6',
  },
  {
    name: 'presence-left-behind',
    file: 'src/queues/leave-behind-nothing.ts',
    find: "if (isQuorateError(error, 'closed')) return;",
    replace: 'return;',
    story:
      'Found here: a worker closes while the store is away, its session lives on, and it is given jobs for ever (Curator #600: orphan contender)',
    killedBy,
    invariant: 'QUEUE-1, not live',
  },
];

export const queueMutants: readonly Mutant[] = [...ofProducers, ...ofTheDispatcher, ...ofWorkers];
