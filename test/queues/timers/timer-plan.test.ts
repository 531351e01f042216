import { describe, expect, it } from 'vitest';
import type { ItemId } from '../../../src/queues/keys.js';
import type { Timer, TimerRead, TimerWrite } from '../../../src/queues/timers/messages.js';
import { type TimerPlace, timerPlace } from '../../../src/queues/timers/timer-place.js';
import { fillsWrite, firstOfFirings, TimerPlan } from '../../../src/queues/timers/timer-plan.js';

/** A store of timers that answers the reads of a plan and applies its writes. */
class Timers {
  readonly fresh = new Map<ItemId, { create: number; delayMs: number }>();
  readonly timers = new Map<TimerPlace, Timer>();
  readonly values = new Map<ItemId, { create: number; value: Uint8Array }>();
  readonly fired: { id: ItemId; atMs: number }[] = [];
  readonly reads: TimerRead[] = [];

  delay(id: ItemId, delayMs: number, bytes = 1): void {
    const create = this.values.size + 1;
    this.fresh.set(id, { create, delayMs });
    this.values.set(id, { create, value: new Uint8Array(bytes) });
  }

  answer(plan: TimerPlan, nowMs: number): void {
    for (let read = plan.nextRead(nowMs); read !== undefined; read = plan.nextRead(nowMs)) {
      this.reads.push(read);
      plan.received(this.#read(read), nowMs);
    }
  }

  apply(plan: TimerPlan, write: TimerWrite, nowMs: number): void {
    const stamped = write.stamps.map((stamp) => {
      if (!this.fresh.delete(stamp.id)) return false;
      const { id, dueMs } = stamp;
      this.timers.set(timerPlace(dueMs, id), { id, dueMs });
      return true;
    });
    for (const { id, dueMs } of write.drops) this.timers.delete(timerPlace(dueMs, id));
    const fired = write.firings.filter(({ id, dueMs }) => {
      this.timers.delete(timerPlace(dueMs, id));
      return this.values.delete(id);
    });
    for (const { id } of fired) this.fired.push({ id, atMs: nowMs });
    plan.written(write, { stamped, fired: fired.map(({ id }) => ({ id, create: 1 })) });
  }

  /** Reads and writes whatever is to be, waking when the plan says so. */
  run(plan: TimerPlan, fromMs: number, toMs: number): void {
    for (let nowMs = fromMs; nowMs <= toMs; ) {
      this.answer(plan, nowMs);
      const write = plan.nextWrite(nowMs);
      if (write !== undefined) {
        this.apply(plan, write, nowMs);
        continue;
      }
      const wakeAtMs = plan.wakeAtMs(nowMs);
      if (wakeAtMs === undefined) return;
      nowMs = Math.max(nowMs + 1, wakeAtMs);
    }
  }

  #read(read: TimerRead): Parameters<TimerPlan['received']>[0] {
    if (read.type === 'values') {
      const found = read.ids.flatMap((id) => {
        const item = this.values.get(id);
        return item === undefined ? [] : [[id, item] as const];
      });
      return { type: 'values', ids: read.ids, found: new Map(found) };
    }
    if (read.type === 'fresh') {
      const ids = [...this.fresh.keys()].filter((id) => id >= read.from).sort();
      const items = ids
        .slice(0, read.limit)
        .map((id) => ({ id, create: 0, delayMs: 0, ...this.fresh.get(id) }));
      return { type: 'fresh', items, next: ids[read.limit] };
    }
    const places = [...this.timers.keys()]
      .filter((place) => place >= read.from && (read.to === undefined || place < read.to))
      .sort();
    const timers = places.slice(0, read.limit).map((place) => this.timers.get(place) as Timer);
    return { type: 'timers', timers, next: places[read.limit] };
  }
}

function plan(mirror = 20_000, queueMs = 0): TimerPlan {
  return new TimerPlan({ mirror, queueMs, nowMs: 0 });
}

describe('timers of a dispatcher', () => {
  it('QUEUE-22 QUEUE-23 fire each delay that was there, at its time, whatever memory holds', () => {
    for (const mirror of [20_000, 12, 4]) {
      const store = new Timers();
      const delays = Array.from({ length: 60 }, (_, n) => (n * 7_919) % 50_000);
      for (const [n, delayMs] of delays.entries()) store.delay(`x${String(n).padStart(3, '0')}`, delayMs);
      store.run(plan(mirror), 0, 60_000);
      expect(store.fired).toHaveLength(60);
      for (const { id, atMs } of store.fired) {
        const delayMs = delays[Number(id.slice(1))] ?? 0;
        expect(atMs).toBeGreaterThanOrEqual(delayMs);
        expect(atMs).toBeLessThanOrEqual(delayMs + 60);
      }
      expect(store.timers.size).toBe(0);
    }
  });

  it('QUEUE-23 go on under a successor from the queue time of the last beat', () => {
    const store = new Timers();
    store.delay('x', 10_000);
    store.run(plan(), 0, 4_000);
    expect(store.timers.size).toBe(1);
    // It was told that 4 s had passed, and begins 3 s later.
    const successor = new TimerPlan({ mirror: 20_000, queueMs: 4_000, nowMs: 7_000 });
    store.run(successor, 7_000, 20_000);
    expect(store.fired).toEqual([{ id: 'x', atMs: 13_000 }]);
  });

  it('leave what is far away to the store, and read it when it is its turn', () => {
    const store = new Timers();
    for (let n = 0; n < 5_000; n += 1) {
      const [id, dueMs] = [`x${n}`, 3_600_000 + n];
      store.timers.set(timerPlace(dueMs, id), { id, dueMs });
      store.values.set(id, { create: 1, value: new Uint8Array(1) });
    }
    const timers = plan(2_000);
    store.answer(timers, 0);
    expect(store.reads.length).toBeLessThan(8);
    store.run(timers, 0, 3_700_000);
    expect(store.fired).toHaveLength(5_000);
    expect(store.fired.map(({ id }) => id).slice(0, 3)).toEqual(['x0', 'x1', 'x2']);
  });

  it('QUEUE-23 miss none that is stamped while a window is read', () => {
    const store = new Timers();
    const timers = plan(8);
    const read = timers.nextRead(0);
    if (read?.type !== 'timers') throw new Error('it begins by reading timers');
    const fresh = timers.nextRead(0);
    if (fresh?.type !== 'fresh') throw new Error('then delays');
    timers.learned({ id: 'y', create: 1, delayMs: 500 }, 0);
    timers.received({ type: 'fresh', items: [], next: undefined }, 0);
    store.delay('y', 500);
    const write = timers.nextWrite(0);
    if (write === undefined) throw new Error('a delay is to be stamped');
    store.apply(timers, write, 0);
    timers.received({ type: 'timers', timers: [], next: undefined }, 0);
    store.run(timers, 0, 2_000);
    expect(store.fired).toEqual([{ id: 'y', atMs: 500 }]);
  });

  it('delete the timer of an item that is cancelled, and of one that is gone when its value is read', () => {
    const store = new Timers();
    const timers = plan();
    for (const id of ['cancelled', 'purged', 'kept']) store.delay(id, 5_000);
    store.run(timers, 0, 100);
    store.values.delete('cancelled');
    store.values.delete('purged');
    timers.cancelled('cancelled');
    expect(timers.nextWrite(100)?.drops.map(({ id }) => id)).toEqual(['cancelled']);
    store.run(timers, 100, 10_000);
    expect(store.fired).toEqual([{ id: 'kept', atMs: 5_000 }]);
    expect(store.timers.size).toBe(0);
  });

  it('let none wait for those that are due later', () => {
    const store = new Timers();
    const timers = plan();
    for (let n = 0; n < 400; n += 1) store.delay(`later${n}`, 900);
    store.run(timers, 0, 100);
    store.delay('soon', 10);
    timers.learned({ id: 'soon', create: 401, delayMs: 10 }, 100);
    store.run(timers, 100, 2_000);
    expect(store.fired[0]).toEqual({ id: 'soon', atMs: 110 });
    expect(store.fired).toHaveLength(401);
    expect(Math.max(...store.fired.map(({ atMs }) => atMs))).toBeLessThan(920);
  });

  it('does not ask again and again for what has no room while values are read', () => {
    const store = new Timers();
    const timers = plan();
    for (let n = 0; n < 16; n += 1) store.delay(`later${n}`, 900);
    store.answer(timers, 0);
    store.apply(timers, timers.nextWrite(0) as TimerWrite, 0);
    expect(timers.nextRead(0)?.type).toBe('values');
    store.delay('soon', 10);
    timers.learned({ id: 'soon', create: 17, delayMs: 10 }, 100);
    store.apply(timers, timers.nextWrite(100) as TimerWrite, 100);
    expect(timers.wakeAtMs(100)).toBe(110);
    // This process was busy meanwhile.
    expect(timers.nextRead(1_000)).toBeUndefined();
    expect(timers.wakeAtMs(1_000)).toBeUndefined();
  });

  it('put large values alone', () => {
    const store = new Timers();
    const timers = plan();
    for (const id of ['a', 'b']) store.delay(id, 0, 1_200_000);
    store.answer(timers, 0);
    store.apply(timers, timers.nextWrite(0) as TimerWrite, 0);
    store.answer(timers, 0);
    store.delay('c', 0);
    timers.learned({ id: 'c', create: 3, delayMs: 0 }, 0);
    const write = timers.nextWrite(0);
    expect(write).toMatchObject({ firings: [{ id: 'a' }], stamps: [], drops: [] });
    expect(fillsWrite(write)).toBe(true);
    expect(firstOfFirings(write)).toBe('a');
    store.run(timers, 0, 100);
    expect(store.fired.map(({ id }) => id)).toEqual(['a', 'b', 'c']);
  });

  it('ask for a beat the more rarely the further the next is, and for none without any', () => {
    const store = new Timers();
    const timers = plan();
    store.answer(timers, 0);
    expect(timers.pulseMs(0)).toBeUndefined();
    store.delay('x', 3_200_000);
    timers.learned({ id: 'x', create: 1, delayMs: 3_200_000 }, 0);
    expect(timers.pulseMs(0)).toBe(300);
    store.run(timers, 0, 0);
    expect(timers.pulseMs(0)).toBe(10_000);
    expect(timers.pulseMs(3_136_000)).toBe(2_000);
    expect(timers.pulseMs(3_199_999)).toBe(300);
  });
});
