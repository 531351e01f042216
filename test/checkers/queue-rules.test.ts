import { describe, expect, it } from 'vitest';
import { checkQueueRules } from '../../src/checkers/index.js';
import { type ItemId, itemId, QueueKeys } from '../../src/queues/keys.js';
import {
  encodeControl,
  encodeItem,
  encodeRecord,
  encodeTakeBack,
  type ItemTraits,
  openControl,
  type QueueControl,
} from '../../src/queues/records/index.js';
import { bytesOf } from '../../src/store/index.js';
import { brokenBy, evidenceOf, Story } from './story.js';

const prefix = 'queue/q/';
const keys = new QueueKeys(prefix);

/** A queue with two workers, told in the words of its protocol. Items are named by letters. */
class RulesStory extends Story {
  readonly #items = new Map<string, { id: ItemId; create: number; generation: number }>();

  constructor() {
    super();
    this.at(0);
    this.put(keys.presence('v'), '{}', '7');
    this.put(keys.presence('w'), '{}', '7');
    this.put(keys.candidate('w'), '', '7');
  }

  id(name: string): ItemId {
    return this.#item(name).id;
  }

  enqueue(name: string, traits?: ItemTraits, readAt = this.revision): this {
    const id = itemId(readAt, 'p', readAt);
    const create = this.put(keys.item(id), encodeItem(bytesOf(`"${name}"`), 0, traits));
    this.#items.set(name, { id, create, generation: 0 });
    return this;
  }

  control(change: Partial<QueueControl>): this {
    this.put(keys.control, encodeControl({ ...openControl, ...change }));
    return this;
  }

  /** To each worker the jobs of these letters, in one revision. */
  give(jobs: Readonly<Record<string, string>>): this {
    this.step(
      Object.fromEntries(
        Object.entries(jobs).map(([worker, names]) => {
          const assigned = [...names].map((name) => ({ ...this.#item(name), failures: 0, losses: 0 }));
          return [`${keys.recordsOf(worker).key}${this.revision}`, { value: encodeRecord(assigned) }];
        }),
      ),
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

  done(...names: readonly string[]): this {
    this.remove(...names.map((name) => keys.item(this.id(name))));
    return this;
  }

  cancel(name: string): this {
    const id = this.id(name);
    this.step({ [keys.item(id)]: {}, [keys.cancellation(id)]: { value: '' } });
    return this;
  }

  tell(name: string, worker?: string): this {
    const id = this.id(name);
    const told = worker === undefined ? {} : { [keys.cancellationFor(worker, id)]: { value: '' } };
    this.step({ [keys.cancellation(id)]: {}, ...told });
    return this;
  }

  #item(name: string) {
    const item = this.#items.get(name);
    if (item === undefined) throw new Error(`no item ${name}`);
    return item;
  }
}

function check(story: Story, settled = false) {
  return () => checkQueueRules({ history: story.history(), prefix, settled });
}

const key = { key: 'k' };
const group = { group: 'g' };

describe('checkQueueRules', () => {
  it('counts what it checked of a history that keeps every rule', () => {
    const story = new RulesStory()
      .enqueue('a', key)
      .enqueue('b', key)
      .enqueue('c', group)
      .enqueue('d', group);
    story.control({ limits: { groupConcurrency: 1, concurrency: 3 } }).enqueue('e');
    story.give({ w: 'ac' }).give({ v: 'e' }).fail('a').give({ v: 'a' }).done('a', 'e').give({ w: 'b' });
    story.control({ paused: true, limits: { groupConcurrency: 0 } });
    story.cancel('b').tell('b', 'w').cancel('d').tell('d');
    story.control({ limits: { rate: { count: 1, perMs: 1 } } }).remove(keys.candidate('w'));
    expect(check(story, true)()).toEqual({
      ...{ given: 5, passed: 1, keysOfLost: 0, keysInRetry: 1, loweredBelow: 1 },
      ...{ takeoversWithFullGroup: 0, takeoversWithHeldKey: 0, takeoversWithRate: 1 },
      ...{ takeoversWithCancellation: 0, cancelledInHand: 1, told: 1, lostBeforeTold: 0 },
    });
  });

  it('QUEUE-4 an item that no rule holds back is passed, or one of the same group', () => {
    const begun = () =>
      new RulesStory().enqueue('a').enqueue('b', group).enqueue('c', group).enqueue('d', key);
    expect(brokenBy(check(begun().give({ w: 'b' })))).toBe('QUEUE-4');
    expect(brokenBy(check(begun().give({ w: 'a' }).give({ w: 'c' })))).toBe('QUEUE-4');
    expect(brokenBy(check(begun().give({ w: 'a' }).give({ w: 'd' }).give({ w: 'b' })))).toBe('nothing');
    // To two workers at a time, and beside one that need not have been known.
    expect(brokenBy(check(begun().give({ v: 'ac', w: 'b' })))).toBe('nothing');
    const overlapping = new RulesStory().enqueue('x');
    overlapping.enqueue('late', undefined, 3).give({ w: 'x' });
    expect(brokenBy(check(overlapping))).toBe('nothing');
  });

  it('QUEUE-9 something is given out of a paused queue, or of one whose control cannot be read', () => {
    const begun = () => new RulesStory().enqueue('a');
    expect(brokenBy(check(begun().control({ paused: true }).give({ w: 'a' })))).toBe('QUEUE-9');
    const unreadable = begun();
    unreadable.put(keys.control, 'what?');
    expect(brokenBy(check(unreadable.give({ w: 'a' })))).toBe('QUEUE-9');
    expect(brokenBy(check(begun().control({ paused: true }).control({}).give({ w: 'a' })))).toBe('nothing');
  });

  it.each<[string, (story: RulesStory) => RulesStory]>([
    ['while another of its key is in hand', (story) => story.give({ w: 'a' }).give({ v: 'b' })],
    ['beside another of its key', (story) => story.give({ w: 'a', v: 'b' })],
    [
      'while an earlier one waits for its retry',
      (story) => story.give({ w: 'a' }).fail('a').give({ v: 'b' }),
    ],
    ['before an earlier one', (story) => story.give({ w: 'b' })],
  ])('QUEUE-10 a job is given out %s', (_what, tell) => {
    expect(brokenBy(check(tell(new RulesStory().enqueue('a', key).enqueue('b', key))))).toBe('QUEUE-10');
  });

  it('QUEUE-11 more are in hand than the limit of the group, or of all, lets be', () => {
    const limited = (limits: QueueControl['limits']) =>
      new RulesStory().enqueue('a', group).enqueue('b', group).enqueue('c').control({ limits });
    const given = (limits: QueueControl['limits']) =>
      brokenBy(check(limited(limits).give({ v: 'a', w: 'b' })));
    expect(given({ groupConcurrency: 1 })).toBe('QUEUE-11');
    expect(given({ groups: { g: 1 } })).toBe('QUEUE-11');
    expect(given({ concurrency: 1 })).toBe('QUEUE-11');
    expect(given({ groupConcurrency: 1, groups: { g: 2 } })).toBe('nothing');
    expect(given({ groups: { constructor: 0 } })).toBe('nothing');
    // What is in hand when a limit is lowered may stay.
    const lowered = limited({})
      .give({ v: 'ab' })
      .control({ limits: { groupConcurrency: 1 } });
    expect(brokenBy(check(lowered.give({ w: 'c' })))).toBe('nothing');
  });

  it('QUEUE-12 more are given out than the rate allows, or what was saved up by an earlier dispatcher', () => {
    const limits = { rate: { count: 1, perMs: 100, burst: 2 } };
    const begun = () => {
      const story = new RulesStory();
      for (const name of 'abcdef') story.enqueue(name);
      return story.control({ limits });
    };
    expect(brokenBy(check(begun().at(99).give({ w: 'a' })))).toBe('QUEUE-12');
    expect(brokenBy(check(begun().at(100).give({ w: 'a' }).at(200).give({ w: 'b' })))).toBe('nothing');
    expect(brokenBy(check(begun().at(900).give({ w: 'ab' }).at(1_000).give({ w: 'c' })))).toBe('nothing');
    expect(evidenceOf(check(begun().at(900).give({ w: 'abc' })))).toContain('1.00 more than 1 in 100 ms');
    const succeeded = begun().at(900);
    succeeded.remove(keys.candidate('w'));
    expect(brokenBy(check(succeeded.give({ w: 'a' })))).toBe('QUEUE-12');
    const fast = begun().at(95).give({ w: 'a' });
    const clockRateError = 0.1;
    expect(brokenBy(() => checkQueueRules({ history: fast.history(), prefix, clockRateError }))).toBe(
      'nothing',
    );
  });

  it('QUEUE-13 a worker is not told, is told of nothing, or nobody ever is', () => {
    const begun = () => new RulesStory().enqueue('a').enqueue('b').give({ w: 'a' });
    expect(brokenBy(check(begun().cancel('a').tell('a')))).toBe('QUEUE-13');
    expect(brokenBy(check(begun().cancel('a').tell('a', 'v')))).toBe('QUEUE-13');
    expect(brokenBy(check(begun().cancel('a').tell('a', 'w')))).toBe('nothing');
    expect(brokenBy(check(begun().tell('b', 'w')))).toBe('QUEUE-13');
    expect(brokenBy(check(begun().cancel('b').tell('b'), true))).toBe('nothing');
    expect(brokenBy(check(begun().cancel('b')))).toBe('nothing');
    expect(brokenBy(check(begun().cancel('b'), true))).toBe('QUEUE-13');
  });

  it('QUEUE-13 a worker that is gone, or has left the job, need not be told', () => {
    const lost = new RulesStory().enqueue('a').give({ w: 'a' }).cancel('a');
    lost.remove(keys.presence('w'));
    expect(check(lost.tell('a'))()).toMatchObject({ cancelledInHand: 1, lostBeforeTold: 1 });
    const refused = new RulesStory().enqueue('a').give({ w: 'a' });
    const record = `${keys.recordsOf('w').key}${refused.revision - 1}`;
    refused.cancel('a').remove(record);
    expect(brokenBy(check(refused.tell('a')))).toBe('nothing');
  });
});
