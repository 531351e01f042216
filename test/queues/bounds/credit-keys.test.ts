import { describe, expect, it } from 'vitest';
import { MemoryServer } from '../../../src/memory/index.js';
import { accountKey, accountsIn, creditTxn, dropsGone } from '../../../src/queues/bounds/credit-keys.js';
import type { CreditWrite } from '../../../src/queues/bounds/credit-messages.js';
import { CreditPlan, creditLimits } from '../../../src/queues/bounds/credit-plan.js';
import { planLimits } from '../../../src/queues/dispatch/dispatch-plan.js';
import type { PlannedWrite } from '../../../src/queues/dispatch/messages.js';
import { requestOf } from '../../../src/queues/dispatch/transactions.js';
import { itemId, QueueKeys } from '../../../src/queues/keys.js';
import { encodeDemand, encodeGrant, leastGrant } from '../../../src/queues/records/index.js';
import { compare, put, txnOf, validateTxn } from '../../../src/store/index.js';

const keys = new QueueKeys('q/');
const range = (count: number) => Array.from({ length: count }, (_, n) => n);

describe('the keys of credit', () => {
  it('the largest write of credit fits beside the largest assignment', () => {
    // Taken back from as many as may be, and given to one.
    const names = (of: string) => range(creditLimits.grantsPerWrite + 1).map((n) => `${of}${n}`);
    const credit: CreditWrite = {
      ...{ control: 1, seen: 1 },
      grants: names('here').map((name) => ({ name, granted: 9, answered: 1, refused: 0, demandMod: 5 })),
      forgotten: names('gone').map((name) => ({ name, demandMod: 5 })),
      drops: range(creditLimits.dropsPerWrite).map((n) => ({
        ...{ id: itemId(n + 1, 'p', n), create: n + 1, generation: 0 },
      })),
    };
    const jobs = range(planLimits.jobsPerWrite).map((n) => ({
      ...{ id: itemId(n + 100, 'p', n), create: n + 100, generation: 0, failures: 0, losses: 0 },
      ...{ traits: {}, payload: undefined },
    }));
    const assignments = range(planLimits.workersPerWrite).map((n) => ({
      ...{ worker: `w${n}`, create: 1 },
      jobs: jobs.filter((_, index) => index % planLimits.workersPerWrite === n),
    }));
    const write = { assignments, control: 1, cancellations: [], credit } as unknown as PlannedWrite;
    const sequences = range(planLimits.workersPerWrite).map(String);
    const nextSequence = () => sequences.pop() ?? '';
    const request = requestOf(keys, { candidate: 'c', revision: 1 }, write, nextSequence);
    // Those of the store itself come on top: two levels of one each.
    expect(() => validateTxn(request, { maxTxnOps: 126 })).not.toThrow();
  });

  it('QUEUE-28 what a producer spends after its presence has gone is not given to another', async () => {
    const store = new MemoryServer().connect();
    const [granted, used] = [accountKey(keys, 'dead', 'g'), accountKey(keys, 'dead', 'u')];
    await store.txn(
      txnOf({
        success: [
          put(granted, encodeGrant({ granted: 10, answered: 0, refused: 0 })),
          put(used, encodeDemand({ used: 0, next: 0, wanted: 0, ask: 0 })),
          put(accountKey(keys, 'b', 'h'), ''),
          put(accountKey(keys, 'b', 'u'), encodeDemand({ used: 0, next: 10, wanted: 10, ask: 1 })),
        ],
      }),
    );
    const { revision, kvs } = await store.range(keys.accounts);
    const plan = new CreditPlan(creditLimits);
    plan.setBound({ maxLength: 10, whenFull: 'wait' });
    plan.startReading();
    plan.received({ revision, live: 0, accounts: accountsIn(keys, kvs) });
    const write = plan.next(revision, 0, () => []) as CreditWrite;
    expect(write.grants).toMatchObject([{ name: 'b', granted: 10 }]);
    // The group that it had prepared when it was stopped arrives first.
    const seen = kvs.find(({ key }) => key === used)?.modRevision ?? 0;
    const group = await store.txn(
      txnOf({
        compare: [compare.mod(used, 'equal', seen), compare.value(granted, 'greater', leastGrant(10))],
        success: [put(used, encodeDemand({ used: 10, next: 0, wanted: 0, ask: 0 }))],
      }),
    );
    expect(group.succeeded).toBe(true);
    const applied = await store.txn(txnOf({ success: [creditTxn(keys, write)] }));
    expect(applied.replies[0]).toMatchObject({ type: 'txn', succeeded: false });
  });

  it('a write that was refused tells what it wanted to drop and is gone', async () => {
    const store = new MemoryServer().connect();
    const [there, gone] = [itemId(1, 'p', 1), itemId(1, 'p', 2)];
    await store.txn(txnOf({ success: [put(keys.item(there), '')] }));
    const drops = [there, gone].map((id) => ({ id, create: 7, generation: 0 }));
    const write: CreditWrite = { control: 0, grants: [], forgotten: [], drops, seen: 9 };
    const reply = await store.txn(txnOf({ success: [creditTxn(keys, write)] }));
    expect(dropsGone(keys, write, reply.replies[0])).toEqual([gone]);
    const plan = new CreditPlan(creditLimits);
    plan.setBound({ maxLength: 1, whenFull: 'drop-oldest' });
    plan.startReading();
    const demand = { used: 0, next: 1, wanted: 1, ask: 1 };
    const a = { name: 'a', here: true, grant: undefined, demand, demandMod: 5 };
    plan.received({ revision: 9, live: 1, accounts: [a] });
    const planned = () => plan.next(9, 0, (most) => drops.slice(0, most));
    // It plans on at once with what is left, and otherwise waits for news.
    plan.answered(planned() as CreditWrite, false, 10, 1);
    const second = planned() as CreditWrite;
    expect(second.drops).toHaveLength(1);
    plan.answered(second, false, 11);
    expect(planned()).toBeUndefined();
  });

  it('an account that has deleted itself is not forgotten once more, which nobody would be told', async () => {
    const store = new MemoryServer().connect();
    for (const demandMod of [0, 5]) {
      const write = { control: 0, grants: [], forgotten: [{ name: 'dead', demandMod }], drops: [], seen: 9 };
      const reply = await store.txn(txnOf({ success: [creditTxn(keys, write)] }));
      expect(reply.replies[0]).toMatchObject({ type: 'txn', succeeded: false });
    }
  });
});
