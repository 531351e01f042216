import { describe, expect, it } from 'vitest';
import type {
  CreditChange,
  CreditWrite,
  Droppable,
  StoredAccount,
} from '../../../src/queues/bounds/credit-messages.js';
import { CreditPlan } from '../../../src/queues/bounds/credit-plan.js';
import { oldestOf } from '../../../src/queues/bounds/oldest.js';
import { itemId } from '../../../src/queues/keys.js';
import type { QueueBound } from '../../../src/queues/records/index.js';

type Stand = Partial<
  Record<'granted' | 'used' | 'next' | 'wanted' | 'ask' | 'answered' | 'demandMod', number>
>;

function account(name: string, stand: Stand = {}, here = true): StoredAccount {
  const {
    granted = 0,
    used = 0,
    next = 0,
    wanted = next,
    ask = next > 0 ? 1 : 0,
    answered = 0,
    demandMod = 5,
  } = stand;
  return {
    name,
    here,
    grant: { granted, answered, refused: 0 },
    demand: { used, next, wanted, ask },
    demandMod,
  };
}

function planOf(bound: QueueBound | undefined, live: number, accounts: readonly StoredAccount[]): CreditPlan {
  const plan = new CreditPlan({ grantsPerWrite: 12, dropsPerWrite: 2 });
  plan.setNeeded();
  plan.setBound(bound);
  expect(plan.startReading()).toBe(true);
  plan.received({ revision: 10, live, accounts });
  return plan;
}

function next(plan: CreditPlan, seen = 10, jobs: readonly Droppable[] = []): CreditWrite | undefined {
  return plan.next(seen, 3, (most) => oldestOf(jobs, most));
}

const granted = (write: CreditWrite | undefined) =>
  Object.fromEntries((write?.grants ?? []).map(({ name, granted: count }) => [name, count]));

const wait = (maxLength: number) => ({ maxLength, whenFull: 'wait' }) as const;
const refuse = (maxLength: number) => ({ maxLength, whenFull: 'refuse' }) as const;
const drop = (maxLength: number) => ({ maxLength, whenFull: 'drop-oldest' }) as const;

const job = (n: number, level = ''): Droppable => ({
  id: itemId(n, 'p', n, level),
  create: n,
  generation: 0,
});

describe('the plan of credit', () => {
  it('QUEUE-28 gives no more than what is left of the bound, to who has waited longest, all or nothing', () => {
    const line = [
      account('late', { next: 1, demandMod: 8 }),
      account('early', { next: 3, demandMod: 7 }),
      account('full', { granted: 2, used: 1, next: 0 }),
    ];
    expect(granted(next(planOf(wait(9), 4, line)))).toEqual({ early: 3, late: 1 });
    // The front of `early` does not fit, what `full` has not spent included: nobody passes it.
    const tight = next(planOf(wait(9), 7, line));
    expect(granted(tight)).toEqual({ full: 1 });
    expect(tight?.grants[0]).toMatchObject({ demandMod: 5 });
    expect(granted(next(planOf(wait(9), 6, line)))).toEqual({ early: 3, full: 1 });
  });

  it('QUEUE-29 refuses whoever finds no room where nobody is to wait, and serves who is behind', () => {
    const line = [account('big', { next: 3, demandMod: 7 }), account('small', { next: 1, demandMod: 8 })];
    const write = next(planOf(refuse(9), 7, line));
    expect(write?.grants).toEqual([
      { name: 'big', granted: 0, answered: 1, refused: 1 },
      { name: 'small', granted: 1, answered: 1, refused: 0 },
    ]);
  });

  it('QUEUE-29 refuses nobody, and drops nothing, before it has taken back what is held by more than one write takes', () => {
    const holders = Array.from({ length: 20 }, (_, n) =>
      account(`h${String(n).padStart(2, '0')}`, { granted: 1 }),
    );
    const line = [
      account('me', { granted: 80, used: 80, next: 15, demandMod: 8 }),
      account('behind', { next: 1, demandMod: 9 }),
    ];
    for (const bound of [refuse(100), drop(100)]) {
      const plan = planOf(bound, 80, [...holders, ...line]);
      const jobs = [job(1), job(2)];
      const first = next(plan, 10, jobs) as CreditWrite;
      expect(first.grants.map(({ name }) => name)).toEqual(holders.slice(0, 12).map(({ name }) => name));
      expect(first.drops).toEqual([]);
      plan.answered(first, true, 11);
      for (const { name, ...grant } of first.grants) plan.change({ type: 'grant', name, grant }, 11);
      const second = next(plan, 11, jobs) as CreditWrite;
      expect(second.grants).toContainEqual({ name: 'me', granted: 95, answered: 1, refused: 0 });
      expect([second.drops, second.grants.filter(({ refused }) => refused > 0)]).toEqual([[], []]);
    }
  });

  it('QUEUE-29 refuses nobody before it has freed what more of the dead hold than one write forgets', () => {
    const dead = Array.from({ length: 14 }, (_, n) => account(`d${n}`, { granted: 1 }, false));
    const write = next(planOf(refuse(14), 0, [...dead, account('a', { next: 14 })]));
    expect([write?.forgotten.length, write?.grants]).toEqual([12, []]);
  });

  it('QUEUE-29 serves who is behind out of what one holds who was refused just before', () => {
    const line = [
      account('a', { granted: 60, used: 50, next: 20, demandMod: 6 }),
      account('b', { granted: 40, used: 40, next: 3, demandMod: 7 }),
    ];
    expect(next(planOf(refuse(100), 90, line))?.grants).toEqual([
      { name: 'a', granted: 50, answered: 1, refused: 1, demandMod: 6 },
      { name: 'b', granted: 43, answered: 1, refused: 0 },
    ]);
  });

  it('QUEUE-29 answers who asks for more than the queue holds, and who asks where there is no bound', () => {
    const big = account('big', { next: 10 });
    expect(next(planOf(wait(9), 0, [big]))?.grants[0]).toEqual({
      name: 'big',
      granted: 0,
      answered: 1,
      refused: 0,
    });
    const free = next(planOf(undefined, 50, [big, account('rich', { granted: 7, used: 3 })]));
    expect(free?.grants).toEqual([
      { name: 'rich', granted: 3, answered: 0, refused: 0, demandMod: 5 },
      { name: 'big', granted: 0, answered: 1, refused: 0 },
    ]);
  });

  it('lends what nobody waits for in blocks, and not all of it', () => {
    const write = next(planOf(wait(100), 20, [account('a'), account('b', { granted: 8, used: 0 })]));
    expect(granted(write)).toEqual({ a: 9 });
    expect(next(planOf(wait(3), 0, [account('a'), account('b')]))).toBeUndefined();
  });

  it('takes back what is above a bound that was made smaller', () => {
    const plan = planOf(wait(20), 5, [account('a', { granted: 9, used: 4 })]);
    expect(next(plan)).toBeUndefined();
    plan.setBound(wait(3));
    expect(granted(next(plan))).toEqual({ a: 4 });
  });

  it('QUEUE-28 drops the oldest that nobody works on, in steps, and nothing if that is not enough', () => {
    const plan = planOf(drop(5), 5, [account('a', { next: 3 })]);
    const jobs = [job(4), job(2), job(3)];
    const write = next(plan, 10, jobs);
    expect(write?.drops.map(({ create }) => create)).toEqual([2, 3]);
    expect(write?.grants).toEqual([]);
    expect(next(planOf(drop(5), 5, [account('a', { next: 3 })]), 10, jobs.slice(1))).toBeUndefined();
    const small = next(planOf(drop(5), 5, [account('a', { next: 1 })]), 10, jobs);
    expect([small?.drops.map(({ create }) => create), granted(small)]).toEqual([[2], { a: 1 }]);
  });

  it('QUEUE-28 plans nothing on what its own write has changed, before the watch has brought it', () => {
    const plan = planOf(wait(9), 5, [account('a', { next: 2 })]);
    const write = next(plan) as CreditWrite;
    plan.answered(write, true, 20);
    expect(next(plan, 19)).toBeUndefined();
    plan.change({ type: 'grant', name: 'a', grant: { granted: 2, answered: 1, refused: 0 } }, 20);
    expect(next(plan, 20)).toBeUndefined();
    const other = planOf(wait(9), 5, [account('a', { next: 2 })]);
    other.answered(next(other) as CreditWrite, false, 20);
    expect(next(other, 10)).toBeUndefined();
    expect(granted(next(other, 11))).toEqual({ a: 2 });
  });

  it('a write that was refused is not planned again before there is news, though the watch is behind the reading', () => {
    const plan = planOf(wait(9), 0, [account('a', { next: 1, demandMod: 6 })]);
    const write = next(plan, 4) as CreditWrite;
    plan.answered(write, false, 11);
    expect(next(plan, 4)).toBeUndefined();
    // What it lacked may be older than the reading: of that nothing newer need ever come.
    expect(granted(next(plan, 8))).toEqual({ a: 1 });
  });

  it('QUEUE-28 counts what comes while it reads, once', () => {
    const plan = new CreditPlan({ grantsPerWrite: 12, dropsPerWrite: 2 });
    plan.change({ type: 'item-created' }, 4);
    expect(plan.startReading()).toBe(false);
    plan.setBound(wait(6));
    expect(plan.startReading()).toBe(true);
    expect(plan.startReading()).toBe(false);
    const changes: [CreditChange, number][] = [
      [{ type: 'item-created' }, 9],
      [{ type: 'item-created' }, 11],
      [{ type: 'item-gone' }, 12],
      [{ type: 'demand', name: 'a', demand: { used: 0, next: 1, wanted: 1, ask: 1 } }, 10],
      [{ type: 'presence', name: 'b', here: true }, 11],
      [{ type: 'demand', name: 'b', demand: { used: 0, next: 4, wanted: 4, ask: 1 } }, 11],
    ];
    for (const [change, revision] of changes) plan.change(change, revision);
    plan.received({ revision: 10, live: 2, accounts: [] });
    expect(plan.isWaiting).toBe(true);
    expect(granted(next(plan, 12))).toEqual({ b: 4 });
  });

  it('QUEUE-28 forgets the accounts of those who are gone, and gives what they had not spent in the same write', () => {
    const dead = account('dead', { granted: 4, used: 1 }, false);
    const write = next(planOf(wait(5), 1, [dead, account('a', { next: 4 })]));
    expect([write?.forgotten, granted(write)]).toEqual([[{ name: 'dead', demandMod: 5 }], { a: 4 }]);
    const plan = planOf(wait(5), 1, [dead, account('a', { next: 4 })]);
    plan.change({ type: 'grant', name: 'dead', grant: undefined }, 11);
    plan.change({ type: 'demand', name: 'dead', demand: undefined }, 11);
    expect(granted(next(plan, 11))).toEqual({ a: 4 });
  });

  it('drops of the least urgent level first', () => {
    const jobs = [job(1, '00/'), job(2, '05/'), job(3, '05/'), job(4, '02/')];
    expect(oldestOf(jobs, 3).map(({ create }) => create)).toEqual([2, 3, 4]);
    expect(oldestOf(jobs, 0)).toEqual([]);
  });
});
