import { describe, expect, it } from 'vitest';
import { checkQueueProducers, type ProducerCall, type ProducersCheck } from '../../src/checkers/index.js';
import { itemId, QueueKeys } from '../../src/queues/keys.js';
import { encodeControl, encodeDeadLetter, encodeItem, openControl } from '../../src/queues/records/index.js';
import { bytesOf } from '../../src/store/index.js';
import { brokenBy, type Change, Story } from './story.js';

const prefix = 'queue/q/';
const effects = 'effect/';
const keys = new QueueKeys(prefix);
const [one, two, three] = [itemId(2, 'p', 1), itemId(2, 'p', 2), itemId(9, 'p', 3)];

function itemOf(payload: string): Uint8Array {
  return encodeItem(bytesOf(JSON.stringify(payload)), 0);
}

/** A queue, told in the words of its protocol. */
class ProducersStory extends Story {
  enqueue(id: string, payload: string, more: Record<string, Change> = {}): number {
    return this.step({ [keys.item(id)]: { value: itemOf(payload) }, ...more });
  }

  keyed(id: string, payload: string, key: string): number {
    return this.enqueue(id, payload, { [keys.used(key)]: { value: id, lease: '7' } });
  }

  bury(id: string, payload: string): number {
    const known = { cause: 'failed', reason: '', failures: 1, losses: 0, atMs: 0 } as const;
    const value = encodeDeadLetter({ ...known, item: itemOf(payload) });
    return this.step({ [keys.item(id)]: {}, [keys.deadLetter(id)]: { value } });
  }

  close(closed: boolean): number {
    return this.put(keys.control, encodeControl({ ...openControl, closed }));
  }
}

let moments = 0;

function call(payload: string, id: string, change: Partial<ProducerCall> = {}): ProducerCall {
  moments += 2;
  const times = { calledAt: moments, returnedAt: moments + 1, calledAtMs: 0, returnedAtMs: 10 };
  return { payload, id, producer: `p-${payload}`, ...times, outcome: 'enqueued', ...change };
}

function check(story: Story, change: Partial<ProducersCheck> = {}) {
  const nothing = { calls: [], purges: [], letters: [], windowMs: 1_000 };
  return () => checkQueueProducers({ history: story.history(), prefix, effects, ...nothing, ...change });
}

describe('checkQueueProducers', () => {
  it('counts what it checked of a history that keeps every promise', () => {
    const story = new ProducersStory().at(0);
    const first = story.keyed(one, 'a', 'k');
    story.bury(one, 'a');
    const back = story.enqueue(two, 'a', { [keys.deadLetter(one)]: {} });
    story.at(1_000).remove(keys.used('k'));
    story.keyed(three, 'b', 'k');
    story.step({ [keys.item(two)]: {}, [`${effects}${two}`]: { value: 'done' } });
    const purged = story.remove(keys.item(three));
    const calls = [
      call('a', one, { idempotencyKey: 'k' }),
      call('again', one, { idempotencyKey: 'k', duplicate: true, revision: first }),
      call('b', three, { idempotencyKey: 'k', calledAtMs: 1_000, returnedAtMs: 1_010 }),
    ];
    const purges = [{ calledAt: purged - 1, returnedAt: purged, told: { removed: 1, revision: purged - 1 } }];
    const letters = [{ what: 'redrive', id: one, told: [{ id: two, revision: back }] }] as const;
    expect(check(story, { calls, purges, letters })()).toEqual({
      ...{ items: 3, windows: 2, windowsAnew: 1, redriven: 1, purged: 1 },
    });
  });

  it('QUEUE-1 an item goes, and nobody took it', () => {
    const story = new ProducersStory();
    const create = story.enqueue(one, 'a');
    story.remove(keys.item(one));
    const calls = [call('a', one)];
    expect(brokenBy(check(story, { calls }))).toBe('QUEUE-1');
    const told = (removed: number, revision: number) => ({
      ...{ calls, purges: [{ calledAt: create - 1, returnedAt: create + 5, told: { removed, revision } }] },
    });
    expect(brokenBy(check(story, told(1, create)))).toBe('nothing');
    expect(brokenBy(check(story, told(1, create - 1)))).toBe('QUEUE-1');
    expect(brokenBy(check(story, told(2, create)))).toBe('QUEUE-1');
    const failed = { calls, purges: [{ calledAt: create - 1, returnedAt: Number.POSITIVE_INFINITY }] };
    expect(brokenBy(check(story, failed))).toBe('nothing');
  });

  it('QUEUE-2 an item that nobody enqueued, or whose call was told that it had not', () => {
    const story = new ProducersStory();
    story.enqueue(one, 'a');
    expect(brokenBy(check(story))).toBe('QUEUE-2');
    expect(brokenBy(check(story, { calls: [call('a', one, { outcome: 'not-applied' })] }))).toBe('QUEUE-2');
  });

  it('QUEUE-14 an item without its key, a key without its item, two items of one', () => {
    const calls = [call('a', one, { idempotencyKey: 'k' }), call('b', two, { idempotencyKey: 'k' })];
    const without = new ProducersStory();
    without.enqueue(one, 'a');
    expect(brokenBy(check(without, { calls }))).toBe('QUEUE-14');
    const alone = new ProducersStory();
    alone.put(keys.used('k'), one, '7');
    expect(brokenBy(check(alone, { calls }))).toBe('QUEUE-14');
    const twice = new ProducersStory();
    twice.keyed(one, 'a', 'k');
    twice.keyed(two, 'b', 'k');
    expect(brokenBy(check(twice, { calls }))).toBe('QUEUE-14');
    const other = new ProducersStory();
    other.enqueue(one, 'a', { [keys.used('k')]: { value: two, lease: '7' } });
    expect(brokenBy(check(other, { calls }))).toBe('QUEUE-14');
  });

  it('QUEUE-14 a key that is forgotten too early', () => {
    const calls = [call('a', one, { idempotencyKey: 'k', calledAtMs: 500 })];
    const story = (atMs: number) => {
      const told = new ProducersStory().at(600);
      told.keyed(one, 'a', 'k');
      told.at(atMs).remove(keys.used('k'));
      return told;
    };
    expect(brokenBy(check(story(1_499), { calls }))).toBe('QUEUE-14');
    expect(brokenBy(check(story(1_500), { calls }))).toBe('nothing');
  });

  it('QUEUE-14 a duplicate of what its key did not stand for', () => {
    const story = new ProducersStory().at(0);
    const revision = story.keyed(one, 'a', 'k');
    story.at(1_000).remove(keys.used('k'));
    const first = call('a', one, { idempotencyKey: 'k' });
    const again = (change: Partial<ProducerCall>) => [
      first,
      call('again', one, { idempotencyKey: 'k', duplicate: true, revision, ...change }),
    ];
    expect(brokenBy(check(story, { calls: again({}) }))).toBe('nothing');
    for (const change of [
      { id: two },
      { revision: revision + 1 },
      { idempotencyKey: 'other' },
      { calledAtMs: 1_001, returnedAtMs: 1_010 },
    ]) {
      expect(brokenBy(check(story, { calls: again(change) }))).toBe('QUEUE-14');
    }
  });

  it('QUEUE-15 an item enters while the queue is closed', () => {
    const story = (closed: boolean) => {
      const told = new ProducersStory();
      told.close(true);
      told.close(closed);
      told.enqueue(one, 'a');
      return told;
    };
    const calls = [call('a', one)];
    expect(brokenBy(check(story(true), { calls }))).toBe('QUEUE-15');
    expect(brokenBy(check(story(false), { calls }))).toBe('nothing');
    const atOnce = new ProducersStory();
    atOnce.enqueue(one, 'a', { [keys.control]: { value: encodeControl({ ...openControl, closed: true }) } });
    expect(brokenBy(check(atOnce, { calls }))).toBe('nothing');
  });

  it('QUEUE-16 a letter comes back twice, without going, or not at all', () => {
    const calls = [call('a', one)];
    const buried = () => {
      const story = new ProducersStory();
      story.enqueue(one, 'a');
      story.bury(one, 'a');
      return story;
    };
    const twice = buried();
    twice.enqueue(two, 'a', { [keys.deadLetter(one)]: {} });
    expect(brokenBy(check(twice, { calls }))).toBe('nothing');
    twice.enqueue(three, 'a');
    expect(brokenBy(check(twice, { calls }))).toBe('QUEUE-16');
    const stays = buried();
    stays.enqueue(two, 'a');
    expect(brokenBy(check(stays, { calls }))).toBe('QUEUE-16');
    const gone = buried();
    gone.remove(keys.deadLetter(one));
    expect(brokenBy(check(gone, { calls }))).toBe('QUEUE-16');
    const removal = { what: 'remove', id: one } as const;
    expect(brokenBy(check(gone, { calls, letters: [{ ...removal, told: [] }] }))).toBe('nothing');
    expect(brokenBy(check(gone, { calls, letters: [removal] }))).toBe('QUEUE-16');
  });

  it('QUEUE-16 a redrive is told of what did not come back, or of what another was told of', () => {
    const story = new ProducersStory();
    const revision = story.enqueue(one, 'a');
    story.bury(one, 'a');
    const back = story.enqueue(two, 'a', { [keys.deadLetter(one)]: {} });
    const calls = [call('a', one)];
    const told = (id: string, at: number) => ({ what: 'redrive', told: [{ id, revision: at }] }) as const;
    expect(brokenBy(check(story, { calls, letters: [told(two, back)] }))).toBe('nothing');
    for (const letters of [
      [told(one, revision)],
      [told(two, back + 1)],
      [told(two, back), told(two, back)],
    ]) {
      expect(brokenBy(check(story, { calls, letters }))).toBe('QUEUE-16');
    }
  });
});
