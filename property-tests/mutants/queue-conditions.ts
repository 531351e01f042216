/** Condition queues as people build them from counters and flags, and variants of ours that were tempting, one decision each. */
import type { Mutant } from './mutant.js';

const release = 'src/queues/conditions/release.ts';
const gathering = 'src/queues/conditions/gathering.ts';
const killedBy = 'queue-conditions';

export const queueConditionsMutants: readonly Mutant[] = [
  {
    name: 'counted-then-released',
    file: release,
    find: "upTo === undefined ? [] : [compare.create({ key, rangeEnd }, 'less', revision + 1)];",
    replace: '[];',
    story:
      'Count, then let go: who is late and belongs before the n-th makes it one too many (any counter beside a list: Redis LLEN, then LTRIM)',
    killedBy,
    invariant: 'QUEUE-26',
  },
  {
    name: 'released-with-what-was-cancelled',
    file: release,
    find: "[...nothingCame, compare.create(cancelled, 'less', revision + 1)]",
    replace: '[...nothingCame]',
    story:
      'Tempting: only what comes is guarded. One that is cancelled meanwhile is counted all the same, and the batch is one short',
    killedBy,
    invariant: 'QUEUE-26',
  },
  {
    name: 'purged-without-a-word',
    file: 'src/queues/emptying/purge.ts',
    find: "if (keys.kind === 'condition') blocks.push(put(purgedKey(keys), ''));",
    replace: '',
    story: 'Tempting: a purge is deletions and nothing else. What was counted is gone, and no compare tells',
    killedBy,
    invariant: 'QUEUE-26',
  },
  {
    name: 'gate-read-before',
    file: release,
    find: "      compare.mod(revocable(keys), 'less', revision + 1),\n",
    replace: '',
    story: 'A flag that is read, and then acted upon: it was set back in between',
    killedBy,
    invariant: 'QUEUE-26',
  },
  {
    name: 'released-by-the-last-definition',
    file: release,
    find: "      compare.mod(keys.definitionKey, 'equal', definedAt),\n",
    replace: '',
    story: 'A definition that is read once, and taken for good',
    killedBy,
    invariant: 'QUEUE-26',
  },
  {
    name: 'release-that-leaves-the-gate',
    file: release,
    find: '...(upTo === undefined ? [] : [put(keys.gate, upTo)]),',
    replace: '',
    story:
      'Tempting: the bound says it all. A producer that stood still between read and write puts an item into a batch that is out',
    killedBy,
    invariant: 'QUEUE-25',
  },
  {
    name: 'windows-beyond-the-bound',
    file: 'src/queues/dispatch/levels/window-reader.ts',
    find: '    this.#bound = bound;\n',
    replace: '',
    story:
      'Tempting: what is read is what is there. A window that is wider than the batch gives out what was not released',
    killedBy,
    invariant: 'QUEUE-25',
  },
  {
    name: 'released-before-it-was-counted',
    file: gathering,
    find: 'if (this.#isUncounted || this.#isBlind) return undefined;',
    replace: 'if (this.#isBlind) return undefined;',
    story:
      'Seen here in review: a count that is not known yet was taken for none, and of two parts of which either will do the farther one decided',
    killedBy,
    invariant: 'QUEUE-26',
  },
  {
    name: 'look-from-before-the-release',
    file: gathering,
    find: 'if (sight === undefined || sight.from !== this.#from) return;',
    replace: 'if (sight === undefined) return;',
    story:
      'Seen here as it was built: the answer to a look that was sent before a release is taken for one after it, and the bound goes back',
    killedBy,
    invariant: 'QUEUE-25, QUEUE-26',
  },
  {
    name: 'look-from-before-a-cancellation',
    file: gathering,
    find: '    const isStale = since.some(({ by }) => by < 0);\n',
    replace: '    const isStale = false;\n',
    story:
      'Found here by this property: the item was cancelled after the look, and what told of that was deleted by the time the look was answered',
    killedBy,
    invariant: 'QUEUE-26',
  },
  {
    name: 'successor-without-gates',
    file: 'src/queues/conditions/read-conditions.ts',
    find: '    if (name !== undefined) gates.set(name, gateValueIn(kv));\n',
    replace: '',
    story:
      'celery #4207: the body of a chord that is not always called when its header is done. What came true before the watch stays unheard, and under a new dispatcher all wait for ever',
    killedBy,
    invariant: 'not live, QUEUE-26',
  },
  {
    name: 'successor-without-facts',
    file: 'src/queues/conditions/read-conditions.ts',
    find: '    if (task !== undefined) done.add(task);\n',
    replace: '',
    story: 'The same of tasks: what was completed under another dispatcher is waited for again',
    killedBy,
    invariant: 'not live, QUEUE-26',
  },
  {
    name: 'successor-that-counts-from-now',
    file: gathering,
    find: '    this.#count = since.reduce((sum, { by }) => sum + by, sight.count);\n',
    replace: '    this.#count = since.reduce((sum, { by }) => sum + by, 0);\n',
    story:
      'A counter in memory: what had gathered before is never counted, and the batch waits for as many again',
    killedBy,
    invariant: 'not live, QUEUE-26',
  },
  {
    name: 'task-completed-by-its-dead-letter',
    file: 'src/queues/worker/held-job.ts',
    find: '          ...this.#ended(),\n          put(keys.deadLetter(id), encodeDeadLetter(letter)),\n',
    replace:
      '          ...this.#ended(),\n          ...this.#context.facts.putWith(this.assigned),\n          put(keys.deadLetter(id), encodeDeadLetter(letter)),\n',
    story:
      'celery #7712 tells it of chords: a header that has failed for good does not keep the body from running',
    killedBy,
    invariant: 'QUEUE-27',
  },
  {
    name: 'any-predecessor-will-do',
    file: 'src/queues/conditions/task-graph.ts',
    find: 'return predecessors?.filter((name) => !isDone(name)) ?? [];',
    replace: 'return predecessors?.some(isDone) ? [] : (predecessors ?? []);',
    story:
      'A join that fires at the first of its branches: one predecessor is done, and the others are not waited for',
    killedBy,
    invariant: 'QUEUE-27',
  },
  {
    name: 'assignment-without-the-definition',
    file: 'src/queues/dispatch/transactions.ts',
    find: "...(definedAt === undefined ? [] : [compare.mod(keys.definitionKey, 'equal', definedAt)]),",
    replace: '',
    story:
      'Tempting: a change of the graph is news like any other. What is given out before it is heard goes by the old one',
    killedBy,
    invariant: 'QUEUE-27',
  },
];
