import { describe, expect, it } from 'vitest';
import { DispatchPlan, planLimits } from '../../src/queues/dispatch/dispatch-plan.js';
import type {
  LoadedState,
  PlannedWrite,
  QueueChange,
  WriteOutcome,
} from '../../src/queues/dispatch/messages.js';
import { type ItemId, itemId, placeOf } from '../../src/queues/keys.js';
import { openControl } from '../../src/queues/records/index.js';

const accepted: WriteOutcome = {
  revision: 0,
  assignment: { accepted: true },
  takenBack: [],
  gateMoved: true,
};

function id(n: number): ItemId {
  return itemId(n, 'p', n);
}

const reason = Uint8Array.of(1);

/** Begins as of revision 10, with one worker. */
function load(plan: DispatchPlan, state: Partial<LoadedState> = {}): void {
  const start = placeOf(1);
  const empty: LoadedState = {
    ...{ revision: 10, levels: [{ name: '', gate: start, start }], timeMs: 0 },
    control: { mod: 0, control: openControl },
    workers: [{ id: 'w', create: 5, slots: 4, concurrency: 4 }],
    ...{ generations: new Map(), records: new Map(), existing: new Set(), cancelled: new Map() },
  };
  plan.apply({ type: 'loaded', state: { ...empty, ...state } }, 0);
}

/** A plan in tail mode of an empty queue with one worker, as of revision 10. */
function started(slots = 4, mirror = planLimits.mirror): DispatchPlan {
  const plan = new DispatchPlan({ ...planLimits, mirror });
  load(plan, { workers: [{ id: 'w', create: 5, slots, concurrency: slots }] });
  const read = plan.nextRead();
  if (read === undefined) throw new Error('a plan begins by reading');
  plan.apply({ type: 'window', read, revision: 10, items: [], next: undefined, bytes: 0 }, 0);
  finish(plan, plan.nextWrite(0), 0);
  return plan;
}

function finish(
  plan: DispatchPlan,
  write: PlannedWrite | undefined,
  nowMs: number,
  outcome = accepted,
): void {
  if (write === undefined) throw new Error('a write was expected');
  plan.apply({ type: 'written', write, outcome }, nowMs);
}

function created(plan: DispatchPlan, revision: number, ...ids: readonly ItemId[]): void {
  change(
    plan,
    revision,
    ...ids.map((each) => ({ type: 'item-created' as const, item: { id: each, create: revision } })),
  );
}

function change(plan: DispatchPlan, revision: number, ...changes: readonly QueueChange[]): void {
  plan.apply(
    { type: 'changes', revision, changes: changes.map((each) => ({ revision, change: each })) },
    revision,
  );
}

function given(write: PlannedWrite | undefined): ItemId[] {
  return (write?.assignments ?? []).flatMap(({ jobs }) => jobs.map((job) => job.id));
}

describe('dispatch plan', () => {
  it('QUEUE-4 gives out in key order what came in another', () => {
    const plan = started();
    created(plan, 20, id(19));
    created(plan, 21, id(15));
    expect(given(plan.nextWrite(21))).toEqual([id(15), id(19)]);
  });

  it('QUEUE-4 gives out nothing later while a refused write is not planned again', () => {
    const plan = started();
    created(plan, 20, id(15), id(16), id(17));
    const write = plan.nextWrite(20);
    created(plan, 21, id(18));
    expect(plan.nextWrite(21)).toBeUndefined();
    finish(plan, write, 22, {
      ...accepted,
      assignment: { accepted: false, workersGone: [], itemsGone: [id(16)] },
    });
    expect(given(plan.nextWrite(22))).toEqual([id(15), id(17), id(18)]);
  });

  it('QUEUE-8 moves the base whenever it moves the gate', () => {
    const plan = started(1);
    created(plan, 20, id(15), id(16));
    finish(plan, plan.nextWrite(20), 20);
    created(plan, 30, id(29));
    // Late and small, and just after a beat: only the gate's own write can tell of it.
    finish(plan, plan.nextWrite(5_010), 5_010);
    created(plan, 40, id(12));
    change(plan, 41, { type: 'item-gone', id: id(15) });
    const write = plan.nextWrite(5_021);
    expect(write?.gate).toMatchObject({ purpose: 'follow', to: placeOf(20), revision: 41 });
    expect(write?.beat).toMatchObject({ bases: { '': id(12) } });
  });

  it('QUEUE-7 takes the jobs of a lost worker back, and gives them out before later ones', () => {
    const plan = started(2);
    created(plan, 20, id(15), id(16), id(17));
    finish(plan, plan.nextWrite(20), 20);
    change(plan, 30, { type: 'worker-gone', worker: 'w' });
    change(plan, 31, {
      type: 'worker-present',
      worker: { id: 'v', create: 31, slots: 3, concurrency: 3 },
    });
    const write = plan.nextWrite(31);
    expect(write).toMatchObject({ assignments: [], takeBack: { worker: 'w', last: true } });
    finish(plan, write, 32, { ...accepted, takenBack: [{ type: 'taken' }, { type: 'gone' }] });
    const next = plan.nextWrite(33);
    expect(given(next)).toEqual([id(15), id(17)]);
    expect(next?.assignments[0]?.jobs[0]).toMatchObject({ generation: 1 });
  });

  it('QUEUE-6 believes the generation, whichever of reply and watch comes first', () => {
    const plan = started(1);
    created(plan, 20, id(15));
    const write = plan.nextWrite(20);
    const takeBack = { failures: 1, losses: 0, reason: 'failed' as const, delayMs: 0 };
    change(plan, 22, { type: 'taken-back', id: id(15), generation: 1, takeBack });
    finish(plan, write, 23);
    const again = plan.nextWrite(23);
    expect(again?.assignments[0]?.jobs).toMatchObject([{ id: id(15), generation: 1, failures: 1 }]);
    finish(plan, again, 24);
    change(plan, 22, { type: 'taken-back', id: id(15), generation: 1, takeBack });
    expect(given(plan.nextWrite(24))).toEqual([]);
  });

  it('holds a failed job back for its delay, and lets later ones pass', () => {
    const plan = started(1);
    created(plan, 20, id(15));
    finish(plan, plan.nextWrite(20), 20);
    const takeBack = { failures: 1, losses: 0, reason: 'failed' as const, delayMs: 500 };
    change(plan, 30, { type: 'taken-back', id: id(15), generation: 1, takeBack });
    created(plan, 31, id(30));
    const write = plan.nextWrite(31);
    expect(given(write)).toEqual([id(30)]);
    finish(plan, write, 32);
    change(plan, 40, { type: 'item-gone', id: id(30) });
    expect(given(plan.nextWrite(529))).toEqual([]);
    expect(given(plan.nextWrite(600))).toEqual([]);
  });

  it('QUEUE-8 leaves what memory should not hold in the store, behind the gate', () => {
    const plan = started(1, 4);
    const ids = Array.from({ length: 12 }, (_, n) => id(20 + n));
    created(plan, 40, ...ids);
    const write = plan.nextWrite(40);
    expect(write?.gate).toMatchObject({ purpose: 'cut', revision: 40 });
    const cut = write?.gate?.to;
    finish(plan, write, 41);
    created(plan, 42, id(41));
    const read = plan.nextRead();
    expect(read?.from).toBe(cut);
    if (read === undefined) return;
    const rest = ids.filter((each) => each >= read.from).map((each) => ({ id: each, create: 40 }));
    plan.apply(
      { type: 'window', read, revision: 42, items: rest.slice(0, 2), next: rest[2]?.id, bytes: 0 },
      43,
    );
    change(plan, 44, { type: 'item-gone', id: ids[0] ?? '' });
    // Nothing of the window is given out before the gate has closed it.
    const closing = plan.nextWrite(44);
    expect(closing?.gate).toMatchObject({ purpose: 'window', from: cut, to: rest[2]?.id, revision: 42 });
    expect(given(closing).every((each) => each < (cut ?? ''))).toBe(true);
  });

  it('beats before the next tick of a schedule, however much the queue is at rest, and as long as there is one', () => {
    const plan = started();
    plan.apply({ type: 'next-tick', atMs: 60_000 }, 1_000);
    const first = plan.nextWrite(1_000);
    expect(first?.beat).toMatchObject({ follows: false, pulseMs: 10_000 });
    finish(plan, first, 1_000);
    expect(plan.wakeAtMs(1_000)).toBe(11_000);
    plan.apply({ type: 'next-tick', atMs: 15_000 }, 11_000);
    const second = plan.nextWrite(11_000);
    expect(second?.beat).toMatchObject({ pulseMs: 4_000 });
    finish(plan, second, 11_000);
    expect(plan.wakeAtMs(11_500)).toBe(14_500);
    plan.apply({ type: 'next-tick', atMs: undefined }, 12_000);
    // It was announced.
    expect(plan.wakeAtMs(12_000)).toBe(15_000);
    const last = plan.nextWrite(15_000);
    expect(last?.beat).toMatchObject({ follows: false });
    expect(last?.beat).not.toHaveProperty('pulseMs');
    finish(plan, last, 15_000);
    expect(plan.wakeAtMs(15_000)).toBeUndefined();
  });

  it('says nothing for a queue at rest, after one beat that tells so', () => {
    const plan = started();
    created(plan, 20, id(15));
    const write = plan.nextWrite(1_000);
    expect(write?.beat).toMatchObject({ follows: false, seen: 20 });
    finish(plan, write, 1_000);
    change(plan, 21, { type: 'item-gone', id: id(15) });
    // Only the gate is left to follow.
    const wakeAtMs = plan.wakeAtMs(0) ?? 0;
    expect(wakeAtMs).toBeGreaterThan(5_000);
    finish(plan, plan.nextWrite(wakeAtMs), wakeAtMs);
    expect(plan.wakeAtMs(0)).toBeUndefined();
  });

  it('QUEUE-9 plans under the control that a refusal tells, and thinks no item gone', () => {
    const plan = started();
    created(plan, 20, id(15), id(16));
    const write = plan.nextWrite(20);
    expect(write?.control).toBe(0);
    const paused = { mod: 21, control: { ...openControl, paused: true } };
    finish(plan, write, 22, {
      ...{ ...accepted, revision: 22 },
      assignment: { accepted: false, workersGone: [], itemsGone: [], control: paused },
    });
    expect(given(plan.nextWrite(22))).toEqual([]);
    // What is told of an older control is not news.
    change(plan, 23, { type: 'item-gone', id: id(16) });
    plan.apply(
      {
        type: 'changes',
        revision: 23,
        changes: [{ revision: 19, change: { type: 'controlled', seen: { mod: 0, control: openControl } } }],
      },
      23,
    );
    expect(given(plan.nextWrite(23))).toEqual([]);
    change(plan, 24, { type: 'controlled', seen: { mod: 24, control: openControl } });
    const again = plan.nextWrite(24);
    expect(given(again)).toEqual([id(15)]);
    expect(again?.control).toBe(24);
  });

  it('QUEUE-10 QUEUE-11 counts at a takeover what is in hand, and holds the rest back', () => {
    const plan = new DispatchPlan();
    const job = { id: id(30), create: 8, generation: 0, failures: 0, losses: 0, traits: { key: 'k' } };
    const grouped = { ...job, id: id(31), traits: { group: 'g' } };
    const limits = { groups: { g: 1 }, concurrency: 3 };
    load(plan, {
      control: { mod: 7, control: { ...openControl, limits } },
      records: new Map([['w', [job, grouped]]]),
      existing: new Set([job.id, grouped.id]),
    });
    const read = plan.nextRead();
    if (read === undefined) throw new Error('a plan begins by reading');
    const items = [job, grouped, { ...job, id: id(32) }, { ...grouped, id: id(33) }].map((each) => ({
      ...each,
      create: 9,
    }));
    items.push({ ...job, id: id(34), create: 9, traits: {} as never });
    items.push({ ...job, id: id(35), create: 9, traits: {} as never });
    plan.apply({ type: 'window', read, revision: 10, items, next: undefined, bytes: 0 }, 12);
    const write = plan.nextWrite(12);
    expect(given(write)).toEqual([id(34)]);
    expect(write?.control).toBe(7);
    finish(plan, write, 13);
    change(plan, 14, { type: 'item-gone', id: job.id });
    expect(given(plan.nextWrite(14))).toEqual([id(32)]);
  });

  it('QUEUE-12 gives workers no more than they can start at once while there is a rate', () => {
    const plan = new DispatchPlan();
    const rate = { count: 100, perMs: 1_000 };
    load(plan, {
      control: { mod: 7, control: { ...openControl, limits: { rate } } },
      workers: [{ id: 'w', create: 5, slots: 6, concurrency: 2 }],
    });
    const read = plan.nextRead();
    if (read === undefined) throw new Error('a plan begins by reading');
    const items = Array.from({ length: 6 }, (_, n) => ({ id: id(20 + n), create: 9 }));
    plan.apply({ type: 'window', read, revision: 10, items, next: undefined, bytes: 0 }, 0);
    finish(plan, plan.nextWrite(0), 0);
    expect(plan.wakeAtMs(0)).toBe(10);
    const write = plan.nextWrite(500);
    expect(given(write)).toEqual([id(20), id(21)]);
    finish(plan, write, 500);
    // Those that may be started are with the worker: no token lets more go, and none is waited for.
    expect(given(plan.nextWrite(900))).toEqual([]);
    finish(plan, { ...(write as PlannedWrite), assignments: [] }, 900);
    change(plan, 30, { type: 'controlled', seen: { mod: 30, control: openControl } });
    expect(given(plan.nextWrite(910))).toEqual([id(22), id(23), id(24), id(25)]);
  });

  it('QUEUE-13 knows who had a job that goes in the revision that cancels it', () => {
    const plan = started(1);
    created(plan, 20, id(15), id(16));
    finish(plan, plan.nextWrite(20), 20);
    change(plan, 30, { type: 'item-gone', id: id(15) }, { type: 'cancelled', id: id(15), reason });
    change(plan, 31, { type: 'cancelled', id: id(16), reason }, { type: 'item-gone', id: id(16) });
    const write = plan.nextWrite(31);
    expect(write?.cancellations).toEqual([
      { id: id(15), reason, worker: 'w', create: 5 },
      { id: id(16), reason, worker: undefined, create: 0 },
    ]);
    finish(plan, write, 32);
    expect(plan.nextWrite(33)?.cancellations ?? []).toEqual([]);
  });

  it('QUEUE-13 tells nobody of a job whose assignment was refused', () => {
    const plan = started(1);
    created(plan, 20, id(15));
    const write = plan.nextWrite(20);
    change(plan, 21, { type: 'item-gone', id: id(15) }, { type: 'cancelled', id: id(15), reason });
    finish(plan, write, 22, {
      ...accepted,
      assignment: { accepted: false, workersGone: [], itemsGone: [id(15)] },
    });
    expect(plan.nextWrite(22)?.cancellations).toMatchObject([{ id: id(15), worker: undefined }]);
  });

  it('QUEUE-13 tells who was given a job that goes between the reading and the look for it', () => {
    const plan = new DispatchPlan();
    const job = { id: id(30), create: 8, generation: 1, failures: 0, losses: 0 };
    const records = new Map([
      ['w', [job]],
      ['v', [{ ...job, generation: 0 }]],
    ]);
    load(plan, { records, cancelled: new Map([[id(31), reason]]) });
    change(plan, 11, { type: 'cancelled', id: id(30), reason });
    expect(plan.nextWrite(11)?.cancellations).toEqual([
      { id: id(31), reason, worker: undefined, create: 0 },
      { id: id(30), reason, worker: 'w', create: 5 },
    ]);
  });

  it('reads few items before it knows how large they are', () => {
    const limitAfter = (bytes: number) => {
      const plan = new DispatchPlan();
      load(plan);
      const read = plan.nextRead();
      if (read === undefined) throw new Error('a plan begins by reading');
      expect(read.limit).toBe(16);
      const items = Array.from({ length: 16 }, (_, n) => ({ id: id(n + 2), create: 5 }));
      plan.apply({ type: 'window', read, revision: 10, items, next: id(20), bytes }, 0);
      finish(plan, plan.nextWrite(0), 0);
      return plan.nextRead()?.limit;
    };
    expect(limitAfter(16 * 100)).toBe(1_000);
    expect(limitAfter(16 * 1_000_000)).toBe(16);
  });

  it('leaves in the store what grew slowly, where the gate has passed it long ago', () => {
    const plan = started(1, 4);
    const ids = Array.from({ length: 6 }, (_, n) => id(20 + n));
    created(plan, 40, ...ids.slice(0, 3));
    finish(plan, plan.nextWrite(40), 40);
    const wakeAtMs = 5_100;
    finish(plan, plan.nextWrite(wakeAtMs), wakeAtMs);
    change(
      plan,
      41,
      ...ids.slice(3).map((each) => ({ type: 'item-created' as const, item: { id: each, create: 41 } })),
    );
    expect(plan.nextWrite(wakeAtMs)?.gate).toBeUndefined();
    expect(plan.nextRead()?.from).toBe(ids[3]);
  });

  it.each([
    { what: 'many in runs, as many as go into a record', jobs: 400, limits: {}, shares: [96] },
    { what: 'a few evenly', jobs: 6, limits: {}, shares: [2, 2, 2] },
    { what: 'evenly as many as a limit allows', jobs: 400, limits: { concurrency: 6 }, shares: [2, 2, 2] },
  ])('gives workers $what', ({ jobs, limits, shares }) => {
    const plan = new DispatchPlan(planLimits);
    const workers = ['a', 'b', 'c'].map((name) => ({ id: name, create: 5, slots: 200, concurrency: 100 }));
    load(plan, { workers, control: { mod: 3, control: { ...openControl, limits } } });
    const read = plan.nextRead();
    if (read === undefined) throw new Error('a plan begins by reading');
    plan.apply({ type: 'window', read, revision: 10, items: [], next: undefined, bytes: 0 }, 0);
    finish(plan, plan.nextWrite(0), 0);
    created(plan, 11, ...Array.from({ length: jobs }, (_unused, n) => id(11 + n)));
    const write = plan.nextWrite(11);
    expect(write?.assignments.map((assignment) => assignment.jobs.length)).toEqual(shares);
    expect([...given(write)]).toHaveLength(shares.reduce((sum, share) => sum + share, 0));
  });
});
