import { expect, it } from 'vitest';
import { QuorateError } from '../../src/errors.js';
import { TaskFacts } from '../../src/queues/conditions/task-facts.js';
import { QueueKeys } from '../../src/queues/keys.js';
import { returnOf } from '../../src/queues/records/index.js';
import { HeldJob, type HeldJobContext } from '../../src/queues/worker/held-job.js';
import { RecordLedger } from '../../src/queues/worker/record-ledger.js';
import type { Store, TxnReply } from '../../src/store/index.js';
import { ManualRuntime, settle } from '../support/manual-runtime.js';

const refused: TxnReply = {
  ...{ succeeded: false, revision: 9 },
  replies: [0, 1].map(() => ({ type: 'range', kvs: [], count: 0, more: false })),
};

function held(txn: Store['txn']) {
  const keys = new QueueKeys('n/queue/q/');
  const settled: HeldJob[] = [];
  const context = {
    ...{ store: { txn }, runtime: new ManualRuntime(), keys, signal: new AbortController().signal },
    ...{ ledger: new RecordLedger(), facts: new TaskFacts(keys) },
    onSettled: (job: HeldJob) => settled.push(job),
  };
  const assigned = { id: 'i', create: 5, generation: 0, failures: 0, losses: 0 };
  const job = new HeldJob(assigned, 'a/w/1', context as unknown as HeldJobContext);
  return { job, settled, back: returnOf(assigned) };
}

it('a job is settled once, also if its item is found to be gone while it is being given back', async () => {
  let answer = (_reply: TxnReply) => {};
  const { job, settled, back } = held(() => new Promise((resolve) => (answer = resolve)));
  const given = job.giveBack(back, {});
  await settle();
  job.drop();
  expect(job.custody).toBe('settling');
  answer(refused);
  await expect(given).rejects.toMatchObject({ code: 'fenced' });
  expect(job.custody).toBe('superseded');
  expect(settled).toEqual([job]);
});

it('who gives up the end of a job is told at once, also between two attempts', async () => {
  let attempts = 0;
  const { job, back } = held(() => {
    attempts += 1;
    return Promise.reject(new QuorateError('unavailable', 'not now'));
  });
  const controller = new AbortController();
  const failures: unknown[] = [];
  job.giveBack(back, { signal: controller.signal }).catch((error: unknown) => failures.push(error));
  await settle();
  controller.abort();
  // No time passes.
  await settle();
  expect(attempts).toBe(1);
  expect(failures).toMatchObject([{ code: 'aborted', outcome: 'not-applied' }]);
  expect(job.custody).toBe('held');
});
