import { describe, expect, it, vi } from 'vitest';
import { Delays } from '../../../src/queues/dispatch/delays.js';
import { DispatchPlan, planLimits } from '../../../src/queues/dispatch/dispatch-plan.js';
import type { LoadedState, QueueChange } from '../../../src/queues/dispatch/messages.js';
import { type ItemId, placeOf } from '../../../src/queues/keys.js';
import { openControl } from '../../../src/queues/records/index.js';
import { HeldTimers } from '../../../src/queues/timers/held-timers.js';
import type { Timer, TimerAnswer, TimerRead } from '../../../src/queues/timers/messages.js';
import { timerPlace } from '../../../src/queues/timers/timer-place.js';

const mirror = 40;

/** A queue and its timers in a store, whose watch tells so many writes late. */
class Scene {
  readonly plan = new DispatchPlan({ ...planLimits, mirror });
  readonly given: ItemId[] = [];
  fired = 0;
  nowMs = 10_000;
  readonly #lag: number;
  readonly #items = new Map<ItemId, number>();
  readonly #timers: Timer[];
  readonly #untold: { revision: number; ids: readonly ItemId[] }[] = [];
  #revision = 1_000_000;

  constructor({
    lag,
    gate,
    ids,
    firstMs = 0,
  }: { lag: number; gate: number; ids: readonly ItemId[]; firstMs?: number }) {
    this.#lag = lag;
    this.#timers = ids.map((id, n) => ({ id, dueMs: firstMs + n }));
    this.#timers.sort((a, b) => (timerPlace(a.dueMs, a.id) < timerPlace(b.dueMs, b.id) ? -1 : 1));
    const state: LoadedState = {
      revision: this.#revision,
      levels: [{ name: '', gate: placeOf(gate), start: placeOf(1) }],
      timeMs: 0,
      hasTimers: true,
      control: { mod: 0, control: openControl },
      workers: [],
      generations: new Map(),
      records: new Map(),
      existing: new Set(),
      cancelled: new Map(),
      hasAccounts: false,
    };
    this.plan.apply({ type: 'loaded', state }, 0);
  }

  get left(): number {
    return this.#timers.length;
  }

  /** False if there is nothing more to do. `meets`: told by the watch before the reply. */
  step({ reads = true, meets = [] as readonly QueueChange[] } = {}): boolean {
    for (let read = this.plan.nextTimerRead(this.nowMs); read; read = this.plan.nextTimerRead(this.nowMs))
      this.plan.apply({ type: 'timers', answer: this.#timersIn(read) }, this.nowMs);
    const hasRead = reads && this.#readWindow();
    const write = this.plan.nextWrite(this.nowMs);
    if (write === undefined) return this.#tell() || hasRead;
    this.#revision += 1;
    const revision = this.#revision;
    const { gate } = write;
    const gateMoved =
      gate !== undefined &&
      [...this.#items].every(([id, create]) => id < gate.from || id >= gate.to || create <= gate.revision);
    const ids = write.timers?.firings.map(({ id }) => id) ?? [];
    for (const id of ids) this.#items.set(id, revision);
    this.fired += ids.length;
    this.#timers.splice(0, this.#timers.length, ...this.#timers.filter(({ id }) => !ids.includes(id)));
    this.given.push(...write.assignments.flatMap(({ jobs }) => jobs.map(({ id }) => id)));
    this.#untold.push({ revision, ids });
    if (meets.length > 0) {
      while (this.#tell());
      this.#revision += 1;
      const changes = meets.map((change) => ({ revision: this.#revision, change }));
      this.plan.apply({ type: 'changes', revision: this.#revision, changes }, this.nowMs);
    }
    const fired = ids.map((id) => ({ id, create: revision }));
    const outcome = { revision, assignment: { accepted: true as const }, takenBack: [], gateMoved };
    const timers = { stamped: [], fired };
    this.plan.apply({ type: 'written', write, outcome: { ...outcome, timers } }, this.nowMs);
    while (this.#untold.length > this.#lag) this.#tell();
    return true;
  }

  /** A worker with room for all. */
  addWorker(): void {
    const worker = { id: 'w', create: 5, slots: 100_000, concurrency: 100_000 };
    const change = { revision: this.#revision + 1, change: { type: 'worker-present' as const, worker } };
    this.plan.apply({ type: 'changes', revision: this.#revision, changes: [change] }, this.nowMs);
  }

  #readWindow(): boolean {
    const read = this.plan.nextRead();
    if (read === undefined) return false;
    const found = [...this.#items]
      .filter(([id]) => id >= read.from && (read.to === undefined || id < read.to))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([id, create]) => ({ id, create }));
    const [items, next] = [found.slice(0, read.limit), found[read.limit]?.id];
    const answer = { read, revision: this.#revision, items, next, bytes: items.length };
    this.plan.apply({ type: 'window', ...answer }, this.nowMs);
    return true;
  }

  #tell(): boolean {
    const told = this.#untold.shift();
    if (told === undefined) return false;
    const { revision } = told;
    const changes = told.ids.map((id) => ({
      revision,
      change: { type: 'item-created' as const, item: { id, create: revision } },
    }));
    this.plan.apply({ type: 'changes', revision, changes }, this.nowMs);
    return true;
  }

  #timersIn(read: TimerRead): TimerAnswer {
    if (read.type === 'fresh') return { type: 'fresh', items: [], next: undefined };
    if (read.type === 'values') {
      const value = new Uint8Array(1);
      return {
        type: 'values',
        ids: read.ids,
        found: new Map(read.ids.map((id) => [id, { create: 5, value }])),
      };
    }
    const { from, to, limit } = read;
    const found = this.#timers.filter(({ dueMs, id }) => {
      const place = timerPlace(dueMs, id);
      return place >= from && (to === undefined || place < to);
    });
    const next = found[limit];
    const place = next && timerPlace(next.dueMs, next.id);
    return { type: 'timers', timers: found.slice(0, limit), next: place };
  }
}

function idsAt(revision: number, count: number): ItemId[] {
  // Out of order: what was enqueued first fires first only by chance.
  return Array.from(
    { length: count },
    (_, n) => `${placeOf(revision)}/p/${String((n * 7_919) % count).padStart(10, '0')}`,
  );
}

describe('firings of a dispatcher', () => {
  it.each([
    ['below a gate far above', 0, 1_000_000],
    ['below a gate far above, told late', 1, 1_000_000],
    ['above the gate', 0, 1],
    ['above the gate, told late', 1, 1],
  ])(
    'QUEUE-23 of many timers at once take no more memory than is allowed, and none is lost: %s',
    (_, lag, gate) => {
      const scene = new Scene({ lag, gate, ids: idsAt(999_500, 1_500) });
      for (let steps = 0; scene.step() && steps < 5_000; steps += 1);
      expect(scene.left).toBe(0);
      expect(scene.fired).toBe(1_500);
      scene.addWorker();
      while (scene.step({ reads: false }));
      // What is given out without a read was held.
      expect(scene.given.length).toBeLessThanOrEqual(mirror + 2 * 60);
      for (let steps = 0; scene.step() && steps < 5_000; steps += 1);
      expect([...scene.given].sort()).toEqual(idsAt(999_500, 1_500).sort());
    },
  );

  it('QUEUE-23 of an item that is gone before the reply leave no job that is not there', () => {
    const [id = ''] = idsAt(999_500, 1);
    const scene = new Scene({ lag: 0, gate: 1, ids: [id], firstMs: 15_000 });
    while (scene.step());
    scene.nowMs = 20_000;
    scene.step({ meets: [{ type: 'item-gone', id }] });
    expect(scene.fired).toBe(1);
    scene.addWorker();
    while (scene.step({ reads: false }));
    expect(scene.given).toEqual([]);
  });
});

describe('timers that are held', () => {
  it('leave no trace once they are cancelled, while the first waits', () => {
    const add = vi.spyOn(Delays.prototype, 'add');
    const held = new HeldTimers(2_000);
    for (let read = held.next(0); read !== undefined; read = held.next(0))
      held.received({ type: 'timers', timers: [], next: undefined });
    held.stamped({ id: 'first', dueMs: 1_000 });
    for (let n = 0; n < 5_000; n += 1) {
      held.stamped({ id: `x${n}`, dueMs: 2_000 + n });
      expect(held.remove(`x${n}`)?.dueMs).toBe(2_000 + n);
    }
    held.stamped({ id: 'last', dueMs: 9_000 });
    const order = add.mock.contexts.at(-1) as Delays<Timer>;
    add.mockRestore();
    expect(order.size).toBeLessThan(1_010);
    expect(held.takeDue(10_000)?.id).toBe('first');
    expect(held.takeDue(10_000)?.id).toBe('last');
    expect(held.takeDue(10_000)).toBeUndefined();
  });
});
