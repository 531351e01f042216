import { describe, expect, it } from 'vitest';
import { checkQueue, checkQueuePriority, type EnqueueCall } from '../../src/checkers/index.js';
import { type ItemId, itemId, placeOf, QueueKeys } from '../../src/queues/keys.js';
import { encodeItem, encodeRecord, type ItemTraits } from '../../src/queues/records/index.js';
import { bytesOf } from '../../src/store/index.js';
import { brokenBy, evidenceOf, Story } from './story.js';

const prefix = 'queue/q/';
const keys = new QueueKeys(prefix, 'priority');
const [urgent, usual] = ['00/', '10/'];

/** A queue with two priorities and a worker that dispatches, told in the words of its protocol. Items are named by letters. */
class PriorityStory extends Story {
  readonly #items = new Map<string, { id: ItemId; create: number }>();
  #term = 0;
  #records = 0;

  constructor() {
    super();
    this.put(keys.gate, placeOf(1));
    for (const level of [urgent, usual]) this.put(keys.gateOf(level), placeOf(1, level));
    this.put(keys.presence('w'), '{}', '7');
    this.elect();
  }

  elect(): this {
    this.#term = this.put(keys.candidate(`w${this.revision}`), '', '7');
    return this;
  }

  /** Urgent ones have capital letters. */
  enqueue(name: string, traits?: ItemTraits): this {
    const level = name < 'a' ? urgent : usual;
    const id = itemId(this.revision, 'p', this.revision, level);
    this.#items.set(name, {
      id,
      create: this.put(keys.item(id), encodeItem(bytesOf(`"${name}"`), 0, traits)),
    });
    return this;
  }

  give(names: string, term = this.#term): this {
    const jobs = [...names].map((name) => ({ ...this.item(name), generation: 0, failures: 0, losses: 0 }));
    this.#records += 1;
    this.put(`${keys.recordsOf('w').key}${placeOf(term)}-w-${this.#records}`, encodeRecord(jobs));
    return this;
  }

  done(...names: readonly string[]): this {
    this.remove(...names.map((name) => keys.item(this.item(name).id)));
    return this;
  }

  item(name: string): { id: ItemId; create: number } {
    const item = this.#items.get(name);
    if (item === undefined) throw new Error(`no item ${name}`);
    return item;
  }
}

function check(story: Story) {
  return () => checkQueuePriority({ history: story.history(), prefix });
}

describe('checkQueuePriority', () => {
  it('counts what it checked of a history that keeps the order', () => {
    const story = new PriorityStory().enqueue('a').enqueue('B').enqueue('C', { key: 'k' });
    story.put(keys.gateOf('05/'), placeOf(9, '05/'));
    story.give('B').give('a').enqueue('d').enqueue('E').enqueue('f').elect().give('E').done('E', 'B');
    story.remove(keys.candidate('w5'));
    expect(check(story)()).toEqual({
      ...{ given: 3, passing: 2, beforeYounger: 0, besideHeld: 1, openedLate: 1, takeovers: 1 },
    });
  });

  it('QUEUE-20 a less urgent item is given out while one waits that is older than it', () => {
    const story = new PriorityStory().enqueue('a').enqueue('B').enqueue('c');
    expect(brokenBy(check(story.give('c')))).toBe('QUEUE-20');
    expect(evidenceOf(check(story))).toBe(
      `item ${story.item('c').id} of revision 9 is given out by a dispatcher that has seen revision 9, and item ${story.item('B').id} of revision 8 waits`,
    );
  });

  it('QUEUE-20 is not broken by what the dispatcher may not have heard of', () => {
    const story = new PriorityStory().enqueue('a').enqueue('B').give('a');
    expect(check(story)()).toMatchObject({ given: 1, beforeYounger: 1 });
  });

  it.each<[string, (story: PriorityStory) => unknown]>([
    ['in the same write', (story) => story.enqueue('c').give('ac')],
    ['in its term before', (story) => story.enqueue('c').enqueue('D').give('D').give('a')],
    ['as its term began', (story) => story.elect().give('a')],
  ])('QUEUE-20 a dispatcher knows what is older than what it has seen %s', (_what, goOn) => {
    const story = new PriorityStory().enqueue('a').enqueue('B');
    goOn(story);
    expect(brokenBy(check(story))).toBe('QUEUE-20');
  });

  it('QUEUE-20 counts for each term by itself what its dispatcher has seen', () => {
    const story = new PriorityStory().enqueue('a').enqueue('B');
    const before = 6;
    story.elect().enqueue('c').give('B');
    expect(brokenBy(check(story.enqueue('D').give('a', before)))).toBe('nothing');
  });

  it.each<[string, ItemTraits]>([
    ['a key', { key: 'k' }],
    ['a group', { group: 'g' }],
  ])('passes over what has %s, which may hold it back', (_what, traits) => {
    const story = new PriorityStory().enqueue('A', traits).enqueue('b').give('b');
    expect(check(story)()).toMatchObject({ given: 1, besideHeld: 1 });
  });

  it('passes over what was given out before, in the same write, or is gone', () => {
    const story = new PriorityStory().enqueue('A').enqueue('B').enqueue('C').enqueue('d').enqueue('e');
    expect(brokenBy(check(story.done('A').give('B').give('dC').give('e')))).toBe('nothing');
  });
});

describe('checkQueue of a queue with levels', () => {
  const calls = (story: PriorityStory, names: string): EnqueueCall[] =>
    [...names].map((payload, n) => ({
      ...{ payload, producer: `p${n}`, calledAt: 2 * n, returnedAt: 2 * n + 1, outcome: 'enqueued' },
      id: story.item(payload).id,
    }));
  const checkAll = (story: PriorityStory, names: string, change: Partial<EnqueueCall> = {}) => {
    const told = calls(story, names).map((call) => ({ ...call, ...change }));
    return () =>
      checkQueue({ history: story.history(), prefix, kind: 'priority', effects: 'effect/', calls: told });
  };

  it('QUEUE-21 items of one priority lie, or are first given out, in another order than that of their calls', () => {
    const story = new PriorityStory().enqueue('a').enqueue('b').enqueue('C');
    expect(brokenBy(checkAll(story.give('C').give('a'), 'abC'))).toBe('nothing');
    expect(brokenBy(checkAll(story, 'baC'))).toBe('QUEUE-21');
    const passed = new PriorityStory().enqueue('a').enqueue('b').give('b').give('a');
    expect(brokenBy(checkAll(passed, 'ab'))).toBe('QUEUE-21');
    expect(brokenBy(checkAll(passed, 'ab', { mayBeHeld: true }))).toBe('nothing');
  });

  it('QUEUE-8 an item appears below the gate of its own level, or one moves down', () => {
    const below = new PriorityStory().enqueue('a');
    below.put(keys.gateOf(usual), placeOf(50, usual));
    expect(brokenBy(checkAll(below.enqueue('B'), 'aB'))).toBe('nothing');
    expect(brokenBy(checkAll(below.enqueue('c'), 'aBc'))).toBe('QUEUE-8');
    const down = new PriorityStory();
    down.put(keys.gateOf(urgent), placeOf(0, urgent));
    expect(brokenBy(checkAll(down, ''))).toBe('QUEUE-8');
  });
});
