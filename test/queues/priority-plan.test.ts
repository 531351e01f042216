/** What the dispatcher of a priority queue decides, from what it knows of its levels. */
import { expect, it } from 'vitest';
import { DispatchPlan, planLimits } from '../../src/queues/dispatch/dispatch-plan.js';
import type {
  PlannedWrite,
  QueueChange,
  StoredItem,
  WriteOutcome,
} from '../../src/queues/dispatch/messages.js';
import { type ItemId, itemId, placeOf } from '../../src/queues/keys.js';
import { openControl } from '../../src/queues/records/index.js';

const accepted: WriteOutcome = {
  ...{ revision: 0, assignment: { accepted: true }, takenBack: [], gateMoved: true },
};
const [urgent, usual] = ['00/', '10/'];
const worker = { id: 'w', create: 5, slots: 4, concurrency: 4 };

function id(level: string, n: number): ItemId {
  return itemId(n, 'p', n, level);
}

function item(level: string, n: number, create = n + 1): StoredItem {
  return { id: id(level, n), create };
}

function levelFrom(name: string, revision = 1) {
  return { name, gate: placeOf(revision, name), start: placeOf(revision, name) };
}

/** As of revision 10. */
function loaded(levels: readonly string[], slots = 4, mirror = planLimits.mirror): DispatchPlan {
  const plan = new DispatchPlan({ ...planLimits, mirror });
  const state = {
    ...{ revision: 10, levels: levels.map((name) => levelFrom(name)), timeMs: 0 },
    control: { mod: 0, control: openControl },
    workers: [{ ...worker, slots, concurrency: slots }],
    ...{ generations: new Map(), records: new Map(), existing: new Set<ItemId>(), cancelled: new Map() },
  };
  plan.apply({ type: 'loaded', state }, 0);
  return plan;
}

/** Answers the reading that is wanted now, and says of what it is. */
function read(
  plan: DispatchPlan,
  revision: number,
  items: readonly StoredItem[] = [],
  next?: ItemId,
): string {
  const wanted = plan.nextRead();
  if (wanted === undefined) throw new Error('nothing is to be read');
  plan.apply({ type: 'window', read: wanted, revision, items, next, bytes: 0 }, 0);
  return wanted.from.slice(0, 3);
}

function change(plan: DispatchPlan, revision: number, ...changes: readonly QueueChange[]): void {
  plan.apply({ type: 'changes', revision, changes: changes.map((each) => ({ revision, change: each })) }, 0);
}

function created(plan: DispatchPlan, revision: number, ...items: readonly StoredItem[]): void {
  change(
    plan,
    revision,
    ...items.map((each) => ({ type: 'item-created' as const, item: { ...each, create: revision } })),
  );
}

function given(write: PlannedWrite | undefined): ItemId[] {
  return (write?.assignments ?? []).flatMap(({ jobs }) => jobs.map((job) => job.id));
}

/** Writes what is to be written, and answers what it gives out. */
function give(plan: DispatchPlan): ItemId[] {
  const write = plan.nextWrite(0);
  if (write === undefined) return [];
  plan.apply({ type: 'written', write, outcome: accepted }, 0);
  return given(write);
}

it('QUEUE-20 gives out what is more urgent first, and in each level what is earlier', () => {
  const plan = loaded([urgent, usual], 3);
  read(plan, 10);
  read(plan, 10);
  created(plan, 20, item(usual, 12), item(urgent, 19));
  created(plan, 21, item(urgent, 15), item(usual, 20));
  expect(give(plan)).toEqual([id(urgent, 15), id(urgent, 19), id(usual, 12)]);
});

it('QUEUE-20 gives out nothing less urgent while something more urgent may be unread', () => {
  const plan = loaded([urgent, usual]);
  created(plan, 20, item(usual, 19));
  expect(give(plan)).toEqual([]);
  expect(read(plan, 20, [item(urgent, 12)], id(urgent, 13))).toBe(urgent);
  // The window is closed first, and the rest of the level may be as urgent.
  expect(give(plan)).toEqual([]);
  expect(give(plan)).toEqual([id(urgent, 12)]);
  expect(read(plan, 20)).toBe(urgent);
  expect(give(plan)).toEqual([]);
  expect(read(plan, 20, [item(usual, 19, 20)])).toBe(usual);
  expect(give(plan)).toEqual([id(usual, 19)]);
});

it('QUEUE-20 gives out nothing that was read before the watch has told what is as old', () => {
  const plan = loaded([urgent, usual]);
  read(plan, 10);
  read(plan, 30, [item(usual, 12), item(usual, 28, 29)]);
  expect(give(plan)).toEqual([]);
  created(plan, 28, item(urgent, 27));
  expect(give(plan)).toEqual([id(urgent, 27), id(usual, 12)]);
  created(plan, 29, item(usual, 28));
  expect(give(plan)).toEqual([id(usual, 28)]);
});

it('QUEUE-20 reads a level that is used for the first time before it gives out what is less urgent', () => {
  const plan = loaded([usual]);
  read(plan, 10);
  created(plan, 20, item(usual, 19));
  change(plan, 21, { type: 'level-opened', level: levelFrom(urgent, 20) });
  created(plan, 22, item(urgent, 21));
  expect(give(plan)).toEqual([]);
  expect(read(plan, 22, [item(urgent, 21, 22)])).toBe(urgent);
  expect(give(plan)).toEqual([id(urgent, 21), id(usual, 19)]);
});

it('reads levels beside each other, as far as memory has room for what comes', () => {
  const plan = loaded([urgent, usual, '1f/']);
  const reads = [plan.nextRead(), plan.nextRead(), plan.nextRead()];
  expect(reads.map((wanted) => wanted?.from.slice(0, 3))).toEqual([urgent, usual, '1f/']);
  expect(plan.nextRead()).toBeUndefined();
  const [first, second, third] = reads;
  const answer = (wanted: typeof first, items: readonly StoredItem[]) => {
    if (wanted === undefined) throw new Error('it is to be read');
    plan.apply({ type: 'window', read: wanted, revision: 10, items, next: undefined, bytes: 0 }, 0);
  };
  answer(third, [item('1f/', 2)]);
  answer(second, [item(usual, 3)]);
  expect(give(plan)).toEqual([]);
  answer(first, [item(urgent, 4)]);
  expect(give(plan)).toEqual([id(urgent, 4), id(usual, 3), id('1f/', 2)]);
  const narrow = loaded([urgent, usual, '1f/'], 4, 4);
  expect([narrow.nextRead(), narrow.nextRead(), narrow.nextRead()].map((wanted) => wanted?.limit)).toEqual([
    2,
    2,
    undefined,
  ]);
});

it('QUEUE-21 knows a level once, however often it is told of', () => {
  const plan = loaded([usual]);
  read(plan, 10);
  change(plan, 9, { type: 'level-opened', level: levelFrom(usual, 8) });
  expect(plan.nextRead()).toBeUndefined();
});

it('leaves what is least urgent in the store, and what comes then and is more urgent passes it', () => {
  const plan = loaded([urgent, usual], 1, 4);
  read(plan, 10);
  read(plan, 10);
  created(plan, 20, ...[15, 16, 17, 18, 19, 20].map((n) => item(usual, n)));
  const cutting = plan.nextWrite(0);
  expect(cutting?.gate).toMatchObject({ purpose: 'cut', to: id(usual, 18) });
  expect(given(cutting)).toEqual([id(usual, 15)]);
});

it('QUEUE-21 leaves all of a less urgent level in the store, also what is being read of it', () => {
  const plan = loaded([urgent, usual], 1, 4);
  read(plan, 10);
  read(plan, 10, [item(usual, 5), item(usual, 6)], id(usual, 7));
  give(plan);
  expect(give(plan)).toEqual([id(usual, 5)]);
  const late = plan.nextRead();
  expect(late?.from).toBe(id(usual, 7));
  created(plan, 20, ...[15, 16, 17, 18].map((n) => item(urgent, n)));
  expect(give(plan)).toEqual([]);
  if (late === undefined) return;
  const items = [item(usual, 7), item(usual, 8)];
  plan.apply({ type: 'window', read: late, revision: 10, items, next: undefined, bytes: 0 }, 0);
  change(plan, 22, { type: 'item-gone', id: id(usual, 5) });
  expect(read(plan, 22, [item(urgent, 17), item(urgent, 18)])).toBe(urgent);
  for (const n of [15, 16, 17, 18]) {
    expect(give(plan)).toEqual([id(urgent, n)]);
    change(plan, 22 + n, { type: 'item-gone', id: id(urgent, n) });
  }
  // From the first on that was not given out, and not from where it was read to.
  expect(plan.nextRead()?.from).toBe(id(usual, 6));
  const left = plan.nextRead();
  expect(left).toBeUndefined();
});

it('QUEUE-21 leaves each of several less urgent levels in the store, and reads them all again', () => {
  const least = '1f/';
  const plan = loaded([urgent, usual, least], 1, 4);
  for (const _ of [urgent, usual, least]) read(plan, 10);
  created(plan, 20, item(urgent, 12));
  expect(give(plan)).toEqual([id(urgent, 12)]);
  created(plan, 21, item(usual, 13), item(least, 14), item(least, 15));
  created(plan, 22, ...[16, 17, 18].map((n) => item(urgent, n)));
  give(plan);
  for (const n of [12, 16, 17]) {
    change(plan, 22 + n, { type: 'item-gone', id: id(urgent, n) });
    give(plan);
  }
  expect(read(plan, 40, [item(urgent, 18)])).toBe(urgent);
  change(plan, 41, { type: 'item-gone', id: id(urgent, 17) });
  expect(give(plan)).toEqual([id(urgent, 18)]);
  expect(read(plan, 42, [item(usual, 13)])).toBe(usual);
  expect(read(plan, 42, [item(least, 14), item(least, 15)])).toBe(least);
});

it('reads what is more urgent though memory is full of what is less urgent and comes back', () => {
  const plan = loaded([urgent, usual], 3, 4);
  read(plan, 10);
  read(plan, 10);
  created(plan, 20, ...[15, 16, 17].map((n) => item(usual, n)));
  expect(give(plan)).toHaveLength(3);
  created(plan, 30, ...[21, 22, 23, 24, 25].map((n) => item(urgent, n)));
  // The end of the urgent ones is left in the store.
  give(plan);
  for (const n of [15, 16, 17]) {
    const takeBack = { failures: 1, losses: 0, reason: 'failed' as const, delayMs: 0 };
    change(plan, 31, { type: 'taken-back', id: id(usual, n), generation: 1, takeBack });
  }
  expect(give(plan)).toEqual([id(urgent, 21), id(urgent, 22)]);
  const rest = [23, 24, 25].map((n) => item(urgent, n, 30));
  expect(read(plan, 31, rest)).toBe(urgent);
  expect(give(plan)).toEqual([id(urgent, 23)]);
});

it('QUEUE-8 tells in its beat where each level begins', () => {
  const plan = loaded([urgent, usual], 1);
  expect(plan.nextWrite(0)?.beat?.bases).toEqual({
    [urgent]: placeOf(1, urgent),
    [usual]: placeOf(1, usual),
  });
  const other = loaded([urgent, usual], 1);
  read(other, 10);
  read(other, 10);
  created(other, 20, item(usual, 12), item(usual, 14));
  expect(other.nextWrite(0)?.beat?.bases).toEqual({ [usual]: id(usual, 12) });
});

it('a job whose assignment is refused goes back behind those of its level that the same write left in the store', () => {
  const plan = loaded([urgent, usual], 10, 4);
  const keyed = (level: string, n: number, key: string) => ({ ...item(level, n), traits: { key } });
  read(plan, 10);
  read(plan, 10);
  const [first, alone] = [keyed(usual, 11, 'a'), keyed(urgent, 12, 'b')];
  created(plan, 11, first);
  created(plan, 12, alone);
  expect(give(plan)).toEqual([alone.id, first.id]);
  const [behind, free] = [keyed(usual, 13, 'a'), item(usual, 19)];
  const blocked = [14, 15, 16, 17, 18].map((n) => keyed(urgent, n, 'b'));
  created(plan, 13, behind);
  for (const each of blocked) created(plan, each.create, each);
  created(plan, 20, free);
  const write = plan.nextWrite(0);
  if (write === undefined) throw new Error('the free one is to be given out');
  expect(given(write)).toEqual([free.id]);
  const refused = { accepted: false, workersGone: ['w'], itemsGone: [] } as const;
  plan.apply({ type: 'written', write, outcome: { ...accepted, revision: 21, assignment: refused } }, 0);
  change(
    plan,
    22,
    { type: 'worker-present', worker: { ...worker, id: 'v', create: 22, slots: 10, concurrency: 10 } },
    ...[first, alone, ...blocked].map(({ id }) => ({ type: 'item-gone' as const, id })),
  );
  const order: ItemId[] = [];
  for (let step = 0; step < 8; step += 1) {
    const next = plan.nextWrite(0);
    order.push(...given(next));
    const taken = (next?.takeBack?.jobs ?? []).map(() => ({ type: 'gone' as const }));
    if (next !== undefined) {
      const outcome = { ...accepted, revision: 23, takenBack: taken };
      plan.apply({ type: 'written', write: next, outcome }, 0);
    }
    const wanted = plan.nextRead();
    if (wanted === undefined) continue;
    const inLevel = [behind, free].filter(({ id }) => id.startsWith(wanted.from.slice(0, 3)));
    plan.apply({ type: 'window', read: wanted, revision: 23, items: inLevel, next: undefined, bytes: 0 }, 0);
  }
  expect(order).toEqual([behind.id, free.id]);
});
