/** Bugs in how jobs end that other queues have or had, and variants that were tempting when this one was designed. */
import type { Mutant } from './mutant.js';

const heldJob = 'src/queues/worker/held-job.ts';
const runner = 'src/queues/worker/job-runner.ts';
const parting = 'src/queues/worker/parting.ts';
const batches = 'src/queues/worker/batches.ts';
const followUp = 'src/queues/producer/follow-up.ts';
const wait = 'src/queues/results/result-wait.ts';
const cancellation = 'src/queues/results/cancellation.ts';
const killedBy = 'queue-outcomes';

const ofDeadLetters: readonly Mutant[] = [
  {
    name: 'dead-letter-put-beside-the-deletion',
    file: heldJob,
    find: 'put(keys.deadLetter(id), encodeDeadLetter(letter)),',
    replace:
      '...(await store.txn({ compare: [], success: [put(keys.deadLetter(id), encodeDeadLetter(letter))], failure: [] }), []),',
    story:
      'Queues that copy to a dead-letter queue and then delete: between the two the job is in both, or comes back',
    killedBy,
    invariant: 'QUEUE-17',
  },
  {
    name: 'dead-letter-of-the-payload-alone',
    file: heldJob,
    find: 'item = kvs[0]?.value ?? new Uint8Array();',
    replace: 'item = this.payload ?? kvs[0]?.value ?? new Uint8Array();',
    story:
      "Tempting: the payload is in memory already. Redriven, the item has lost its traits, and what it was is anybody's guess",
    killedBy,
    invariant: 'QUEUE-17',
  },
  {
    name: 'attempts-counted-from-take-backs',
    file: parting,
    find: 'const failures = before + 1;',
    replace: 'const failures = held.assigned.generation + 1;',
    story:
      'Tempting: the generation as the number of attempts. Amazon SQS counts receives: a worker that is restarted costs its jobs an attempt',
    killedBy,
    invariant: 'QUEUE-17',
  },
  {
    name: 'poison-runs-once-more',
    file: runner,
    find: 'if (held.assigned.losses >= settings.maxLosses) {',
    replace: 'if (held.assigned.losses > settings.maxLosses) {',
    story: 'Off by one where it kills another process',
    killedBy,
    invariant: 'QUEUE-17',
  },
  {
    name: 'dead-letter-tells-nobody',
    file: heldJob,
    find: "          ...(await this.#resultOf({ status: 'dead', cause, reason }, limits)),\n",
    replace: '',
    story: 'Whoever waits for the result of a job that failed for good is told nothing of why',
    killedBy,
    invariant: 'QUEUE-18',
  },
];

const ofBatches: readonly Mutant[] = [
  {
    name: 'batch-that-throws-counts-as-done',
    file: runner,
    find: 'for (const one of [...left.values()]) conclude(one, ended);',
    replace:
      'for (const one of [...left.values()]) conclude(one, prepared.length > 1 ? { result: undefined } : ended);',
    story:
      'AWS Lambda with partial batch responses on: what the answer does not list as failed counts as done, also where there is no answer',
    killedBy,
    invariant: 'QUEUE-17',
  },
  {
    name: 'batch-waits-to-be-full',
    file: batches,
    find: 'else batch.timer = this.#runtime.setTimer(this.#lingerMs, due, { background: true });',
    replace: '',
    story: 'The last few jobs wait for others that never come',
    killedBy,
    invariant: 'not live',
  },
  {
    name: 'batch-lets-in-after-it-has-started',
    file: batches,
    find: 'if (this.#open === batch) this.#open = undefined;',
    replace: '',
    story: 'A job is added to the array that a handler has been given already, and nobody looks at it again',
    killedBy,
    invariant: 'not live',
  },
];

const ofResults: readonly Mutant[] = [
  {
    name: 'result-beside-the-acknowledgement',
    file: heldJob,
    find: "return attempt(cleanUp, await this.#resultOf({ status: 'completed', value: result }, limits));",
    replace: `const kept = await this.#resultOf({ status: 'completed', value: result }, limits);
        if (kept.length > 0) await this.#context.store.txn({ compare: [], success: kept, failure: [] });
        return attempt(cleanUp, []);`,
    story: 'Any queue whose result is stored before the job is done: the result of a run that did not count',
    killedBy,
    invariant: 'QUEUE-18',
  },
  {
    name: 'result-watch-after-the-read',
    file: wait,
    find: 'if (this.#open.size < this.#watched.length) return;',
    replace: 'if ((this as any).looked) return;\n    (this as any).looked = true;',
    story: 'Read, then watch from now: a result that comes between is seen by neither',
    killedBy,
    invariant: 'QUEUE-18, not live',
  },
  {
    name: 'no-second-look-after-a-cut',
    file: wait,
    find: 'this.#open.add(key);\n        this.#look();',
    replace:
      'if (this.#open.size === this.#watched.length || (this as any).looked) return;\n        this.#open.add(key);\n        if (this.#open.size === this.#watched.length) (this as any).looked = true;\n        this.#look();',
    story: 'A watch that was cut goes on "from now", and what was told meanwhile is lost',
    killedBy,
    invariant: 'QUEUE-18, not live',
  },
  {
    name: 'no-result-told-while-the-job-stands',
    file: wait,
    find: 'else if (items.every((item) => item === undefined)) this.#reject(noResult(id));',
    replace: 'else this.#reject(noResult(id));',
    story: 'A job that has no result yet is taken for one that will never have one',
    killedBy,
    invariant: 'QUEUE-18',
  },
  {
    name: 'progress-outlives-its-job',
    file: heldJob,
    find: 'if (generation > 0 || this.hasProgress) ops.push(remove(keys.progressOf(id)));',
    replace: '',
    story: 'What a handler told of its progress stands for as long as its worker, job after job',
    killedBy,
    invariant: 'QUEUE-17',
  },
  {
    name: 'progress-unguarded',
    file: 'src/queues/worker/progress-report.ts',
    find: 'compare: [...held.guards, session.guard()],',
    replace: 'compare: [session.guard()],',
    story: 'Progress that arrives after its job has ended is put all the same, and nobody deletes it',
    killedBy,
    invariant: 'QUEUE-17',
  },
];

const ofCancellations: readonly Mutant[] = [
  {
    name: 'cancel-leaves-the-generation',
    file: cancellation,
    find: '        remove(keys.generation(id)),\n',
    replace: '',
    story: 'One key for each cancelled job that had failed before, for ever',
    killedBy,
    invariant: 'QUEUE-17',
  },
  {
    name: 'cancel-without-guard',
    file: cancellation,
    find: "compare: [compare.create(item.key, 'equal', item.createRevision)],",
    replace: 'compare: [],',
    story:
      'Tempting: what was read a moment ago is deleted. A job that was acknowledged meanwhile is cancelled too, and its result overwritten',
    killedBy,
    invariant: 'QUEUE-17, QUEUE-18',
  },
  {
    name: 'cancel-deletes-only-the-item',
    file: cancellation,
    find: '        ...result,\n',
    replace: '',
    story: 'Who waits for a cancelled job is told nothing of it',
    killedBy,
    invariant: 'QUEUE-18',
  },
];

const ofFollowUps: readonly Mutant[] = [
  {
    name: 'follow-ups-in-a-transaction-of-their-own',
    file: heldJob,
    find: 'admission = followUps && (await this.#context.followUps.admit(followUps, limits));',
    replace: `admission = followUps && (await this.#context.followUps.admit(followUps, limits));
        if (admission) admission = { ...admission, puts: (await this.#context.store.txn({ compare: [], success: admission.puts, failure: [] }), []) };`,
    story:
      'Any queue without transactions: enqueue, then acknowledge. What fails in between is done twice, with all that follows from it',
    killedBy,
    invariant: 'QUEUE-19',
  },
  {
    name: 'follow-up-without-gate',
    file: followUp,
    find: "compares.push(compare.value(keys.gateOf(level), 'less', own[0] ?? ''));",
    replace: '',
    story:
      'A worker that pauses between the read and the write puts its follow-ups below the cursor, where nobody looks',
    killedBy,
    invariant: 'QUEUE-8',
  },
  {
    name: 'follow-up-into-a-closed-queue',
    file: followUp,
    find: "compares.push(compare.mod(keys.control, 'equal', control));",
    replace: '',
    story: 'Closed between the read and the write: the queue that is drained never empties',
    killedBy,
    invariant: 'QUEUE-19',
  },
  {
    name: 'gate-refusal-taken-for-done',
    file: 'src/queues/worker/acknowledgement.ts',
    find: 'return parts.gate?.succeeded === false ? undefined : parts.user.succeeded',
    replace: 'return parts.user.succeeded',
    story: 'The outer transaction succeeded, so the inner one is believed to have',
    killedBy,
    invariant: 'QUEUE-19, QUEUE-17, not live',
  },
];

export const queueOutcomesMutants: readonly Mutant[] = [
  ...ofDeadLetters,
  ...ofBatches,
  ...ofResults,
  ...ofCancellations,
  ...ofFollowUps,
];
