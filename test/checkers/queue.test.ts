import { describe, expect, it } from 'vitest';
import { checkQueue, type EnqueueCall, type QueueCheck } from '../../src/checkers/index.js';
import { itemId, placeOf, QueueKeys } from '../../src/queues/keys.js';
import { encodeItem, encodeRecord, encodeTakeBack } from '../../src/queues/records/index.js';
import { bytesOf } from '../../src/store/index.js';
import { brokenBy, type Change, evidenceOf, Story } from './story.js';

const prefix = 'queue/q/';
const effects = 'effect/';
const keys = new QueueKeys(prefix);
const [one, two] = [itemId(2, 'p', 1), itemId(2, 'p', 2)];

/** A queue, told in the words of its protocol. */
class QueueStory extends Story {
  /** Create revisions of the items. */
  readonly created: Record<string, number> = {};

  constructor() {
    super();
    this.put(keys.gate, placeOf(1));
    this.put(keys.presence('w'), '{}', '7');
  }

  enqueue(id: string, payload: string): this {
    this.created[id] = this.put(keys.item(id), encodeItem(bytesOf(JSON.stringify(payload)), 0));
    return this;
  }

  assign(id: string, generation = 0, change: { worker?: string; create?: number } = {}): this {
    const { worker = 'w', create = this.created[id] ?? 0 } = change;
    const value = encodeRecord([{ id, create, generation, failures: 0, losses: 0 }]);
    this.put(`${keys.recordsOf(worker).key}${this.revision}`, value);
    return this;
  }

  takeBack(id: string): this {
    this.put(keys.generation(id), encodeTakeBack({ failures: 1, losses: 0, reason: 'failed', delayMs: 0 }));
    return this;
  }

  acknowledge(id: string, payload: string, generation = 0, more: Record<string, Change> = {}): this {
    this.step({ [keys.item(id)]: {}, [`${effects}${payload}`]: { value: String(generation) }, ...more });
    return this;
  }
}

function call(payload: string, id: string, change: Partial<EnqueueCall> = {}): EnqueueCall {
  const calledAt = payload === 'first' ? 1 : 3;
  return { payload, id, producer: 'p', calledAt, returnedAt: calledAt + 1, outcome: 'enqueued', ...change };
}
const calls = [call('first', one), call('second', two)];

function begun(): QueueStory {
  return new QueueStory().enqueue(one, 'first').enqueue(two, 'second');
}

function done(): QueueStory {
  const story = begun().assign(one).assign(two).acknowledge(one, 'first');
  story.takeBack(two).assign(two, 1);
  return story.acknowledge(two, 'second', 1, { [keys.generation(two)]: {} });
}

function check(story: Story, change: Partial<QueueCheck> = {}) {
  return () => checkQueue({ history: story.history(), prefix, effects, calls, ...change });
}

describe('checkQueue', () => {
  it('counts what it checked of a history that keeps every promise', () => {
    const story = done();
    story.put(keys.gate, placeOf(3));
    story.put('another', 'key');
    expect(check(story, { drained: true })()).toEqual({
      ...{ items: 2, acknowledged: 2, takenBack: 1, gateMoves: 1, records: 3, assignments: 3, calls: 2 },
    });
  });

  it('QUEUE-1 what was told to be enqueued never was', () => {
    const story = new QueueStory().enqueue(one, 'first');
    expect(brokenBy(check(story))).toBe('QUEUE-1');
    expect(brokenBy(check(story, { calls: [call('first', one)] }))).toBe('nothing');
    const unsure = [call('first', one), call('second', two, { outcome: 'unknown' })];
    expect(brokenBy(check(story, { calls: unsure }))).toBe('nothing');
  });

  it('QUEUE-1 something is left, once everything had time', () => {
    expect(brokenBy(check(begun().assign(one), { drained: true }))).toBe('QUEUE-1');
    expect(brokenBy(check(begun().assign(one)))).toBe('nothing');
    expect(evidenceOf(check(begun().assign(one), { drained: true }))).toBe(
      `2 items were never done: ${one} (first, first given out at revision 6), ${two} (second, never given out)`,
    );
  });

  it.each<[string, EnqueueCall[]]>([
    ['that nobody enqueued', [call('first', one)]],
    [
      'whose call was told that it had none',
      [call('first', one), call('second', two, { outcome: 'not-applied' })],
    ],
    ['under another id than its caller was told', [call('first', one), call('second', one)]],
  ])('QUEUE-2 an item %s', (_what, told) => {
    expect(brokenBy(check(begun(), { calls: told }))).toBe('QUEUE-2');
  });

  it('QUEUE-2 two items of one call', () => {
    expect(brokenBy(check(begun().enqueue(itemId(9, 'p', 3), 'second')))).toBe('QUEUE-2');
  });

  it.each<[string, (story: QueueStory) => unknown]>([
    ['comes back', (story) => story.enqueue(one, 'first')],
    ['is written again', (story) => story.enqueue(two, 'second')],
    ['is given out again', (story) => story.assign(one, 1)],
    ['is given out in another life', (story) => story.assign(two, 0, { create: 4 })],
    ['is taken back', (story) => story.takeBack(one)],
    ['is acknowledged again', (story) => story.remove(keys.item(one))],
    ['was never there and is given out', (story) => story.assign(itemId(9, 'p', 9), 0, { create: 4 })],
  ])('QUEUE-3 an acknowledged item %s', (_what, change) => {
    const story = begun().assign(one).acknowledge(one, 'first');
    change(story);
    expect(brokenBy(check(story))).toBe('QUEUE-3');
  });

  it('QUEUE-4 items out of the order of calls of one producer, or of calls one of which had returned', () => {
    const swapped = [call('first', one, { calledAt: 7, returnedAt: 8 }), call('second', two)];
    expect(brokenBy(check(begun(), { calls: swapped }))).toBe('QUEUE-4');
    const byTwo = [call('first', one, { calledAt: 7, returnedAt: 8, producer: 'o' }), call('second', two)];
    expect(brokenBy(check(begun(), { calls: byTwo }))).toBe('QUEUE-4');
    const atOnce = [call('first', one, { calledAt: 3, producer: 'o' }), call('second', two)];
    expect(brokenBy(check(begun(), { calls: atOnce }))).toBe('nothing');
    const unsure = [byTwo[0] as EnqueueCall, call('second', two, { outcome: 'unknown' })];
    expect(brokenBy(check(begun(), { calls: unsure }))).toBe('nothing');
  });

  it('QUEUE-4 a later item is first given out before an earlier one, or instead of it', () => {
    expect(brokenBy(check(begun().assign(two)))).toBe('QUEUE-4');
    expect(brokenBy(check(begun().assign(two).assign(one)))).toBe('QUEUE-4');
    const together = begun();
    const jobs = [two, one].map((id) => ({
      id,
      create: together.created[id] ?? 0,
      generation: 0,
      failures: 0,
      losses: 0,
    }));
    together.put(`${keys.recordsOf('w').key}1`, encodeRecord(jobs));
    expect(brokenBy(check(together))).toBe('nothing');
  });

  it.each<[string, (story: QueueStory) => unknown]>([
    ['twice', (story) => story.acknowledge(one, 'first').put(`${effects}first`, '0')],
    ['without an acknowledgement', (story) => story.put(`${effects}first`, '0')],
    ['not at all', (story) => story.remove(keys.item(one))],
    ['of another job', (story) => story.acknowledge(one, 'second')],
  ])('QUEUE-5 effects are applied %s', (_what, change) => {
    const story = begun().assign(one);
    change(story);
    expect(brokenBy(check(story))).toBe('QUEUE-5');
  });

  it.each<[string, (story: QueueStory) => unknown]>([
    ['given out in a generation that has passed', (story) => story.takeBack(one).assign(one, 0)],
    ['given out in a generation to come', (story) => story.assign(one, 1)],
    ['given out twice in one generation', (story) => story.assign(one)],
    ['acknowledged by who held it before', (story) => story.takeBack(one).acknowledge(one, 'first', 0)],
    ['acknowledged by nobody', (story) => story.takeBack(one).acknowledge(one, 'first', 1)],
    ['acknowledged by who never held it', (story) => story.acknowledge(two, 'second', 0)],
    ['robbed of its generation', (story) => story.takeBack(one).remove(keys.generation(one))],
  ])('QUEUE-6 a job is %s', (_what, change) => {
    const story = begun().assign(one);
    change(story);
    expect(brokenBy(check(story))).toBe('QUEUE-6');
  });

  it('QUEUE-7 a job for a worker that is not there, or not any more, or not yet', () => {
    expect(brokenBy(check(begun().assign(one, 0, { worker: 'v' })))).toBe('QUEUE-7');
    const gone = begun();
    gone.remove(keys.presence('w'));
    expect(brokenBy(check(gone.assign(one)))).toBe('QUEUE-7');
    const early = begun();
    const record = encodeRecord([
      { id: one, create: early.created[one] ?? 0, generation: 0, failures: 0, losses: 0 },
    ]);
    early.step({ [keys.presence('v')]: { value: '' }, [`${keys.recordsOf('v').key}1`]: { value: record } });
    expect(brokenBy(check(early))).toBe('QUEUE-7');
  });

  it('QUEUE-8 an item at or below the gate, or before there is one', () => {
    const story = new QueueStory();
    story.put(keys.gate, one);
    expect(brokenBy(check(story.enqueue(one, 'first')))).toBe('QUEUE-8');
    const early = new Story();
    early.put(keys.item(one), encodeItem(bytesOf('"first"'), 0));
    expect(brokenBy(check(early))).toBe('QUEUE-8');
  });

  it('QUEUE-8 a gate that goes back, or does not move', () => {
    const story = new QueueStory();
    story.put(keys.gate, placeOf(1));
    expect(brokenBy(check(story))).toBe('QUEUE-8');
    const back = new QueueStory();
    back.put(keys.gate, placeOf(0));
    expect(brokenBy(check(back))).toBe('QUEUE-8');
  });

  it('holds many calls against each other in a time that grows with their number alone', () => {
    const story = new QueueStory();
    const many: EnqueueCall[] = [];
    for (let n = 0; n < 10_000; n += 1) {
      const [id, payload] = [itemId(2, 'p', n), `payload ${n}`];
      story.enqueue(id, payload).assign(id).acknowledge(id, payload);
      many.push(call(payload, id, { calledAt: 2 * n, returnedAt: 2 * n + 1 }));
    }
    const history = story.history();
    expect(checkQueue({ history, prefix, effects, calls: many, drained: true })).toMatchObject({
      items: 10_000,
    });
  });
});
