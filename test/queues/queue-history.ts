import { type ItemId, QueueKeys } from '../../src/queues/keys.js';
import { decodeItem, decodeRecord } from '../../src/queues/records.js';
import type { KeyEvent } from '../../src/store/index.js';
import { textOf } from '../../src/store/index.js';

/** One call of `enqueue` as its caller saw it. `order` numbers are of one sequence for calls and returns. */
export interface EnqueueCall {
  readonly payload: string;
  readonly producer: string;
  readonly calledAt: number;
  returnedAt?: number;
  id?: ItemId;
  outcome: 'pending' | 'enqueued' | 'not-applied' | 'unknown';
}

/** What the history shows to have happened, so that a suite can tell that it reached what it is about. */
export interface HistoryCounts {
  readonly items: number;
  readonly acknowledged: number;
  readonly takenBack: number;
  readonly gateMoves: number;
  readonly records: number;
}

interface Item {
  readonly create: number;
  readonly payload: string;
  firstAssigned?: number;
}

/**
 * Replays a queue's whole history in revision order, and throws the sentence of the invariant that it breaks.
 * Handlers are expected to write `effect(payload)` with their generation as its value when they complete a job.
 */
export class QueueHistory {
  readonly #keys: QueueKeys;
  readonly #effects: string;
  readonly #items = new Map<ItemId, Item>();
  readonly #all = new Map<ItemId, Item>();
  readonly #generations = new Map<ItemId, number>();
  readonly #given = new Set<string>();
  readonly #holders = new Map<ItemId, number>();
  readonly #present = new Set<string>();
  readonly #effectOf = new Map<string, number>();
  readonly #acknowledgedAt = new Map<string, number>();
  #gate = '';
  readonly #counts = { takenBack: 0, gateMoves: 0, records: 0 };

  constructor(prefix: string, effects: string) {
    this.#keys = new QueueKeys(prefix);
    this.#effects = effects;
  }

  /** All events, whole revisions, in order. */
  replay(events: readonly KeyEvent[]): void {
    for (let start = 0; start < events.length; ) {
      const revision = events[start]?.kv.modRevision ?? 0;
      let end = start;
      while (events[end]?.kv.modRevision === revision) end += 1;
      this.#revision(events.slice(start, end), revision);
      start = end;
    }
  }

  #revision(events: readonly KeyEvent[], revision: number): void {
    const keys = this.#keys;
    const gateBefore = this.#gate;
    const presentBefore = new Set(this.#present);
    const generationsBefore = new Map(
      events.map(({ kv }) => {
        const id = kv.key.startsWith(keys.items.key) ? kv.key.slice(keys.items.key.length) : '';
        return [id, this.#generations.get(id) ?? 0] as const;
      }),
    );
    for (const { type, kv } of events) {
      if (kv.key === keys.gate && type === 'put') {
        const gate = textOf(kv.value);
        if (gate <= this.#gate) fail('QUEUE-8 the gate only moves up', { gate, before: this.#gate });
        if (this.#gate !== '') this.#counts.gateMoves += 1;
        this.#gate = gate;
      } else if (kv.key.startsWith(keys.items.key)) {
        const id = kv.key.slice(keys.items.key.length);
        if (type === 'put')
          this.#created(id, kv.createRevision, JSON.parse(textOf(decodeItem(kv.value))), gateBefore);
        else this.#acknowledged(id, revision, events, generationsBefore.get(id) ?? 0);
      } else if (kv.key.startsWith(keys.generations.key)) {
        const id = kv.key.slice(keys.generations.key.length);
        if (type === 'delete') this.#generations.delete(id);
        else {
          if (!this.#items.has(id)) fail('QUEUE-3 only an item that is there is taken back', { id });
          this.#generations.set(id, kv.version);
          this.#counts.takenBack += 1;
        }
      } else if (kv.key.startsWith(keys.presences.key)) {
        if (type === 'put') this.#present.add(kv.key);
        else this.#present.delete(kv.key);
      } else if (kv.key.startsWith(keys.records.key)) {
        if (type === 'put') this.#assigned(kv.key, kv.value, revision, presentBefore);
      } else if (kv.key.startsWith(this.#effects) && type === 'put') {
        const payload = kv.key.slice(this.#effects.length);
        if (this.#effectOf.has(payload)) fail('QUEUE-5 effects are applied once', { payload, revision });
        this.#effectOf.set(payload, revision);
      }
    }
  }

  #created(id: ItemId, create: number, payload: string, gate: string): void {
    if (this.#all.has(id)) fail('QUEUE-3 an item never comes back', { id });
    if (gate === '' || id <= gate) fail('QUEUE-8 no item appears at or below the gate', { id, gate });
    const item = { create, payload };
    this.#items.set(id, item);
    this.#all.set(id, item);
  }

  #assigned(key: string, value: Uint8Array, revision: number, present: ReadonlySet<string>): void {
    const worker = this.#keys.workerOfRecord(key);
    this.#counts.records += 1;
    if (!present.has(this.#keys.presence(worker))) {
      fail('QUEUE-7 jobs are given only to workers that are present', { key });
    }
    for (const job of decodeRecord(value)) {
      const item = this.#items.get(job.id);
      if (item?.create !== job.create)
        fail('QUEUE-3 an acknowledged job is not given out again', { ...job, key });
      const generation = this.#generations.get(job.id) ?? 0;
      if (job.generation !== generation) {
        fail('QUEUE-6 a job is given out in its present generation', { ...job, now: generation });
      }
      const grant = `${job.id}@${job.generation}`;
      if (this.#given.has(grant)) fail('QUEUE-6 one generation of a job has one holder', { grant, key });
      this.#given.add(grant);
      this.#holders.set(job.id, job.generation);
      item.firstAssigned ??= revision;
    }
  }

  #acknowledged(id: ItemId, revision: number, events: readonly KeyEvent[], generation: number): void {
    const item = this.#items.get(id);
    if (item === undefined) fail('QUEUE-3 a job is acknowledged once', { id });
    this.#items.delete(id);
    const effect = events.find(({ kv }) => kv.key === `${this.#effects}${item.payload}`);
    if (effect?.type !== 'put') fail('QUEUE-5 effects come with the acknowledgement', { id, revision });
    if (Number(textOf(effect.kv.value)) !== generation || this.#holders.get(id) !== generation) {
      fail('QUEUE-6 only the present holder of a job acknowledges it', { id, revision, generation });
    }
    if (this.#acknowledgedAt.has(item.payload)) fail('QUEUE-3 a job is acknowledged once', { id });
    this.#acknowledgedAt.set(item.payload, revision);
  }

  /** Holds the history against what the callers were told. `drained`: everything should have been done by now. */
  checkCalls(calls: readonly EnqueueCall[], options: { drained: boolean }): void {
    const byPayload = new Map<string, { id: ItemId; item: Item }>();
    for (const [id, item] of this.#all) {
      if (byPayload.has(item.payload)) fail('QUEUE-2 one enqueue makes one item', { payload: item.payload });
      byPayload.set(item.payload, { id, item });
    }
    const known = new Map(calls.map((call) => [call.payload, call]));
    for (const [payload, { id }] of byPayload) {
      const call = known.get(payload);
      if (call === undefined || call.outcome === 'not-applied') {
        fail('QUEUE-2 nothing is in the queue that nobody enqueued', { payload });
      }
      if (call.outcome === 'enqueued' && call.id !== id)
        fail('QUEUE-2 an item has the id it was told', { payload });
    }
    for (const call of calls) {
      if (call.outcome === 'enqueued' && !byPayload.has(call.payload)) {
        fail('QUEUE-1 nothing enqueued is lost', { payload: call.payload });
      }
    }
    if (options.drained && this.#items.size > 0) {
      fail('QUEUE-1 nothing enqueued is lost: these were never done', { ids: [...this.#items.keys()] });
    }
    this.#checkOrder(calls, byPayload);
  }

  #checkOrder(calls: readonly EnqueueCall[], items: ReadonlyMap<string, { id: ItemId; item: Item }>): void {
    const placed = calls.flatMap((call) => {
      const found = items.get(call.payload);
      return found === undefined ? [] : [{ call, ...found }];
    });
    for (const a of placed) {
      for (const b of placed) {
        const before =
          (a.call.returnedAt !== undefined &&
            a.call.outcome === 'enqueued' &&
            a.call.returnedAt < b.call.calledAt) ||
          (a.call.producer === b.call.producer && a.call.calledAt < b.call.calledAt);
        if (!before) continue;
        const detail = { a: a.id, b: b.id };
        if (a.id > b.id) fail('QUEUE-4 items lie in the order of their calls', detail);
        const [first, second] = [a.item.firstAssigned, b.item.firstAssigned];
        if (second !== undefined && (first === undefined || first > second)) {
          fail('QUEUE-4 items are first given out in queue order', { ...detail, first, second });
        }
      }
    }
  }

  get counts(): HistoryCounts {
    return { ...this.#counts, items: this.#all.size, acknowledged: this.#acknowledgedAt.size };
  }
}

function fail(sentence: string, detail: object): never {
  throw new Error(`${sentence}: ${JSON.stringify(detail)}`);
}
