import { describe, expect, it } from 'vitest';
import { type BoundedCall, checkQueueBounds } from '../../src/checkers/index.js';
import { accountKey } from '../../src/queues/bounds/credit-keys.js';
import { type ItemId, itemId, QueueKeys } from '../../src/queues/keys.js';
import {
  encodeControl,
  encodeDemand,
  encodeGrant,
  encodeItem,
  encodeRecord,
  encodeTakeBack,
  openControl,
  type QueueBound,
} from '../../src/queues/records/index.js';
import { bytesOf } from '../../src/store/index.js';
import { brokenBy, type Change, Story } from './story.js';

const prefix = 'queue/q/';
const effects = 'effect/';
const keys = new QueueKeys(prefix);

/** A bounded queue with producers p and r, told in the words of its protocol. Items are named by letters. */
class BoundsStory extends Story {
  readonly calls: BoundedCall[] = [];
  readonly #items = new Map<string, { id: ItemId; create: number; generation: number }>();
  readonly #used: Record<string, number> = {};

  constructor(maxLength = 2, whenFull: QueueBound['whenFull'] = 'wait') {
    super();
    this.bound({ maxLength, whenFull });
  }

  bound(bound: QueueBound | null): this {
    this.put(keys.control, encodeControl({ ...openControl, bound }));
    return this;
  }

  /** In one revision: what is granted, in all. */
  grant(granted: Readonly<Record<string, number>>, ...dropped: readonly string[]): this {
    const changes: Record<string, Change> = Object.fromEntries(dropped.map((name) => [this.#key(name), {}]));
    for (const [producer, count] of Object.entries(granted)) {
      const value = encodeGrant({ granted: count, answered: 0, refused: 0 });
      changes[accountKey(keys, producer, 'g')] = { value };
    }
    this.step(changes);
    return this;
  }

  /** These items, paid for by the producer unless it says otherwise. */
  enqueue(producer: string, names: string, paid = names.length): this {
    const used = (this.#used[producer] ?? 0) + paid;
    this.#used[producer] = used;
    const changes: Record<string, Change> = {};
    const create = this.revision + 1;
    for (const [index, name] of [...names].entries()) {
      const id = itemId(this.revision, producer, index);
      this.#items.set(name, { id, create, generation: 0 });
      changes[keys.item(id)] = { value: encodeItem(bytesOf(`"${name}"`), 0) };
    }
    changes[accountKey(keys, producer, 'u')] = { value: encodeDemand({ used, next: 0, wanted: 0, ask: 0 }) };
    this.step(changes);
    this.call(producer, names, { outcome: 'enqueued' });
    return this;
  }

  call(
    producer: string,
    names: string,
    told: { outcome: 'enqueued' | 'not-applied'; refused?: boolean },
  ): this {
    const { outcome, refused = false } = told;
    const at = this.calls.length;
    this.calls.push({
      items: [...names].map((name) => ({
        ...{ payload: name, producer, calledAt: at, returnedAt: at + 0.5, outcome },
        ...(outcome === 'enqueued' ? { id: this.#item(name).id } : {}),
      })),
      ...{ calledAt: this.revision - 1, returnedAt: this.revision, refused },
    });
    return this;
  }

  give(name: string): this {
    this.put(
      `${keys.recordsOf('w').key}${this.revision}`,
      encodeRecord([{ ...this.#item(name), failures: 0, losses: 0 }]),
    );
    return this;
  }

  fail(name: string): this {
    const item = this.#item(name);
    item.generation += 1;
    const takeBack = { failures: 1, losses: 0, reason: 'failed', delayMs: 50 } as const;
    this.put(keys.generation(item.id), encodeTakeBack(takeBack));
    return this;
  }

  done(name: string): this {
    this.step({ [this.#key(name)]: {}, [`${effects}${this.#item(name).id}`]: { value: '' } });
    return this;
  }

  lose(name: string): this {
    this.remove(this.#key(name));
    return this;
  }

  gone(producer: string): this {
    this.remove(accountKey(keys, producer, 'g'), accountKey(keys, producer, 'u'));
    return this;
  }

  #key(name: string): string {
    return keys.item(this.#item(name).id);
  }

  #item(name: string) {
    const item = this.#items.get(name);
    if (item === undefined) throw new Error(`no item ${name}`);
    return item;
  }
}

const check = (story: BoundsStory) => () =>
  checkQueueBounds({ history: story.history(), prefix, effects, calls: story.calls });

describe('checkQueueBounds', () => {
  it('QUEUE-28 accepts credit that is spent, taken back, and forgotten', () => {
    const story = new BoundsStory()
      .grant({ p: 2 })
      .enqueue('p', 'a')
      .grant({ p: 1, r: 1 })
      .enqueue('r', 'b')
      .done('a')
      .grant({ p: 2 })
      .gone('p')
      .grant({ r: 2 })
      .enqueue('r', 'c');
    expect(check(story)()).toMatchObject({
      items: 3,
      takenBack: 1,
      orphaned: 1,
      dropped: 0,
      grantedByProducers: 5,
    });
  });

  it('QUEUE-28 refuses credit beyond the bound', () => {
    expect(brokenBy(check(new BoundsStory().grant({ p: 3 })))).toBe('QUEUE-28');
    expect(brokenBy(check(new BoundsStory().grant({ p: 2 }).enqueue('p', 'a').grant({ r: 1 })))).toBe(
      'QUEUE-28',
    );
    expect(
      brokenBy(check(new BoundsStory().grant({ p: 2 }).enqueue('p', 'ab').done('a').grant({ p: 4 }))),
    ).toBe('QUEUE-28');
  });

  it('QUEUE-28 refuses items that nobody paid for, or with what was taken back', () => {
    expect(brokenBy(check(new BoundsStory().grant({ p: 2 }).enqueue('p', 'ab', 1)))).toBe('QUEUE-28');
    expect(brokenBy(check(new BoundsStory().grant({ p: 2 }).grant({ p: 0 }).enqueue('p', 'a')))).toBe(
      'QUEUE-28',
    );
  });

  it('QUEUE-28 lets what is there stay above a bound that was made smaller, and nothing more in', () => {
    const story = () =>
      new BoundsStory(3).grant({ p: 3 }).enqueue('p', 'abc').bound({ maxLength: 1, whenFull: 'wait' });
    expect(check(story().done('a').done('b').done('c').grant({ p: 4 }))).not.toThrow();
    expect(brokenBy(check(story().done('a').grant({ p: 4 })))).toBe('QUEUE-28');
    expect(check(story().bound(null).enqueue('p', 'd', 0))).not.toThrow();
  });

  it('QUEUE-28 refuses to drop anything but the oldest that nobody works on, where that is decided', () => {
    const story = (whenFull: QueueBound['whenFull'] = 'drop-oldest') =>
      new BoundsStory(2, whenFull).grant({ p: 2 }).enqueue('p', 'a').enqueue('p', 'b');
    expect(check(story().grant({ p: 3 }, 'a'))()).toMatchObject({ dropped: 1 });
    expect(brokenBy(check(story().grant({ p: 3 }, 'b')))).toBe('QUEUE-28');
    expect(brokenBy(check(story().give('a').grant({ p: 3 }, 'a')))).toBe('QUEUE-28');
    expect(check(story().give('a').grant({ p: 3 }, 'b'))).not.toThrow();
    expect(check(story().give('a').fail('a').grant({ p: 3 }, 'a'))).not.toThrow();
    expect(brokenBy(check(story('wait').grant({ p: 3 }, 'a')))).toBe('QUEUE-28');
    expect(brokenBy(check(story('refuse').lose('a')))).toBe('QUEUE-28');
  });

  it('QUEUE-29 refuses that a call is told of a full queue, unless it was full meanwhile', () => {
    const refusal = { outcome: 'not-applied', refused: true } as const;
    const story = () => new BoundsStory(2, 'refuse').grant({ p: 2 }).enqueue('p', 'a');
    expect(check(story().enqueue('p', 'b').call('r', 'c', refusal))).not.toThrow();
    expect(check(story().call('r', 'c', refusal))).not.toThrow();
    expect(brokenBy(check(story().grant({ p: 1 }).grant({ p: 1 }).call('r', 'c', refusal)))).toBe('QUEUE-29');
  });

  it('QUEUE-1 and QUEUE-2 refuse calls that were told what is not so', () => {
    const lost = new BoundsStory().grant({ p: 1 }).enqueue('p', 'a');
    lost.calls.push({
      items: [{ payload: 'z', producer: 'p', calledAt: 9, returnedAt: 10, outcome: 'enqueued', id: 'none' }],
      ...{ calledAt: 1, returnedAt: 2, refused: false },
    });
    expect(brokenBy(check(lost))).toBe('QUEUE-1');
  });
});
