import { describe, expect, it } from 'vitest';
import { checkQueueOutcomes, type QueueOutcomesCheck } from '../../src/checkers/index.js';
import { itemId, placeOf, QueueKeys } from '../../src/queues/keys.js';
import {
  type DeadLetterRecord,
  encodeControl,
  encodeDeadLetter,
  encodeItem,
  encodeTakeBack,
  openControl,
} from '../../src/queues/records/index.js';
import { encodeResult, type ResultRecord } from '../../src/queues/results/result-record.js';
import { bytesOf, type Key } from '../../src/store/index.js';
import { brokenBy, type Change, Story } from './story.js';

const prefix = 'queue/q/';
const effects = 'effect/';
const keys = new QueueKeys(prefix);
const [one, two, next] = [itemId(2, 'p', 1), itemId(2, 'p', 2), itemId(4, 'p', 3)];
const plainItem = encodeItem(bytesOf('"plain"'), 0);
const askingItem = encodeItem(bytesOf('"asking"'), 0, { resultMs: 1_000 });

/** A queue with a job that wants no result, and one that does: revisions 3 and 4. */
function begun(): Story {
  const story = new Story();
  story.put(keys.gate, placeOf(1));
  story.put(keys.item(one), plainItem);
  story.put(keys.item(two), askingItem);
  return story;
}

function mark(generation = 0, followUps = 0): Change {
  return { value: JSON.stringify({ generation, followUps }) };
}

function result(record: ResultRecord, lease = '7'): Change {
  return { value: encodeResult(record), lease };
}

function letter(change: Partial<DeadLetterRecord> = {}): Change {
  const plain = { cause: 'failed', reason: 'no', failures: 2, losses: 0, atMs: 0, item: plainItem } as const;
  return { value: encodeDeadLetter({ ...plain, ...change }) };
}

function failed(story: Story, id = one, failures = 1): Story {
  const takeBack = encodeTakeBack({ failures, losses: 0, reason: 'failed', delayMs: 0 });
  story.put(keys.generation(id), takeBack);
  return story;
}

/** The end of a job, with these changes beside it. */
function ends(story: Story, id: string, more: Record<Key, Change>): Story {
  story.step({ [keys.item(id)]: {}, ...more });
  return story;
}

function check(story: Story, change: Partial<QueueOutcomesCheck> = {}) {
  return () =>
    checkQueueOutcomes({
      ...{ history: story.history(), prefix, effects, attempts: 2, maxLosses: 1 },
      ...{ handlers: [], waits: [], cancels: [], ...change },
    });
}

const completed: ResultRecord = { status: 'completed', value: bytesOf('1') };

describe('checkQueueOutcomes', () => {
  it('accepts jobs that end as they should, and counts them', () => {
    const story = failed(begun());
    ends(story, one, { [keys.generation(one)]: {}, [keys.deadLetter(one)]: letter() });
    ends(story, two, { [`${effects}${two}`]: mark(), [keys.result(two)]: result(completed) });
    expect(check(story)()).toEqual({
      ...{ items: 2, acknowledged: 1, cancelled: 0, results: 1, followUps: 0 },
      deadByCause: { failed: 1, 'workers-lost': 0, rejected: 0 },
    });
  });

  it('QUEUE-17 finds a job that is just gone, ends twice, leaves something behind, or goes on', () => {
    expect(brokenBy(check(ends(begun(), one, {})))).toBe('QUEUE-17');
    const both = { [`${effects}${one}`]: mark(), [keys.cancellation(one)]: { value: '' } };
    expect(brokenBy(check(ends(begun(), one, both)))).toBe('QUEUE-17');
    const left = { [keys.deadLetter(one)]: letter() };
    expect(brokenBy(check(ends(failed(begun()), one, left)))).toBe('QUEUE-17');
    expect(brokenBy(check(failed(begun(), one, 2)))).toBe('QUEUE-17');
    const beside = begun();
    beside.put(keys.deadLetter(one), letter().value);
    expect(brokenBy(check(beside))).toBe('QUEUE-17');
  });

  it('QUEUE-17 finds dead letters of another content, or before their time', () => {
    for (const change of [
      { failures: 1 },
      { losses: 1 },
      { item: askingItem },
      { cause: 'workers-lost', failures: 1 },
    ] as const) {
      const more = { [keys.generation(one)]: {}, [keys.deadLetter(one)]: letter(change) };
      expect(brokenBy(check(ends(failed(begun()), one, more)))).toBe('QUEUE-17');
    }
    const early = { [keys.deadLetter(one)]: letter({ failures: 1 }) };
    expect(brokenBy(check(ends(begun(), one, early)))).toBe('QUEUE-17');
  });

  it('QUEUE-17 finds lies told to handlers and to those who cancel', () => {
    const story = ends(begun(), one, { [`${effects}${one}`]: mark() });
    const handler = { process: 'w', id: one, generation: 0, rejects: false } as const;
    expect(brokenBy(check(story, { handlers: [{ ...handler, told: 'refused' }] }))).toBe('QUEUE-17');
    expect(brokenBy(check(story, { handlers: [{ ...handler, told: 'dead' }] }))).toBe('QUEUE-17');
    const more = { [keys.deadLetter(one)]: letter({ cause: 'rejected', failures: 0 }) };
    const rejected = ends(begun(), one, more);
    expect(brokenBy(check(rejected))).toBe('QUEUE-17');
    const rejecting = { ...handler, rejects: true, told: 'dead' } as const;
    expect(brokenBy(check(rejected, { handlers: [rejecting] }))).toBe('nothing');
    const cancel = { process: 'c', calledAt: 4, returnedAt: 5 } as const;
    for (const told of ['cancelled', 'none'] as const) {
      const id = told === 'cancelled' ? one : two;
      expect(brokenBy(check(story, { cancels: [{ ...cancel, id, told }] }))).toBe('QUEUE-17');
    }
    expect(brokenBy(check(story, { cancels: [{ ...cancel, id: one, told: 'none' }] }))).toBe('nothing');
  });

  it('QUEUE-18 finds results that are missing, too many, false, for ever, or beside the end', () => {
    const acknowledged = { [`${effects}${two}`]: mark() };
    expect(brokenBy(check(ends(begun(), two, acknowledged)))).toBe('QUEUE-18');
    const unasked = { [`${effects}${one}`]: mark(), [keys.result(one)]: result(completed) };
    expect(brokenBy(check(ends(begun(), one, unasked)))).toBe('QUEUE-18');
    for (const wrong of [result({ status: 'cancelled', reason: '' }), result(completed, '0')]) {
      const story = ends(begun(), two, { ...acknowledged, [keys.result(two)]: wrong });
      expect(brokenBy(check(story))).toBe('QUEUE-18');
    }
    const beside = begun();
    beside.put(keys.result(two), encodeResult(completed), '7');
    expect(brokenBy(check(beside))).toBe('QUEUE-18');
  });

  it('QUEUE-18 finds waits that were told something else, too early, or never', () => {
    const story = ends(begun(), two, { [`${effects}${two}`]: mark(), [keys.result(two)]: result(completed) });
    story.remove(keys.result(two));
    const wait = { process: 'c', id: two, calledAt: 4, returnedAt: 5 } as const;
    const isBroken = (change: object) =>
      brokenBy(check(story, { waits: [{ ...wait, told: 'completed', value: 1, ...change }] }));
    expect(isBroken({})).toBe('nothing');
    expect(isBroken({ value: 2 })).toBe('QUEUE-18');
    expect(isBroken({ returnedAt: 4 })).toBe('QUEUE-18');
    expect(isBroken({ told: 'dead' })).toBe('QUEUE-18');
    expect(isBroken({ told: 'no-result' })).toBe('QUEUE-18');
    expect(isBroken({ told: 'no-result', returnedAt: 6 })).toBe('nothing');
    expect(isBroken({ told: 'pending' })).toBe('QUEUE-18');
    expect(isBroken({ told: 'gave-up' })).toBe('nothing');
  });

  it('QUEUE-19 finds follow-ups without their acknowledgement, too few, in a closed queue, or under the gate', () => {
    const follow = { [keys.item(next)]: { value: encodeItem(bytesOf(JSON.stringify([one, 0])), 0) } };
    const acknowledged = { [`${effects}${one}`]: mark(0, 1) };
    expect(brokenBy(check(ends(begun(), one, { ...acknowledged, ...follow })))).toBe('nothing');
    expect(brokenBy(check(ends(begun(), one, acknowledged)))).toBe('QUEUE-19');
    const alone = begun();
    alone.step(follow);
    expect(brokenBy(check(alone))).toBe('QUEUE-19');
    const closed = begun();
    closed.put(keys.control, encodeControl({ ...openControl, closed: true }));
    expect(brokenBy(check(ends(closed, one, { ...acknowledged, ...follow })))).toBe('QUEUE-19');
    const passed = begun();
    passed.put(keys.gate, placeOf(9));
    expect(brokenBy(check(ends(passed, one, { ...acknowledged, ...follow })))).toBe('QUEUE-8');
    const told = { process: 'w', id: one, generation: 0, rejects: false, told: 'completed' } as const;
    const story = ends(begun(), one, { ...acknowledged, ...follow });
    const handlers = [{ ...told, revision: 5, followUps: [two] }];
    expect(brokenBy(check(story, { handlers }))).toBe('QUEUE-19');
    const early = [{ ...told, revision: 4, followUps: [next] }];
    expect(brokenBy(check(story, { handlers: early }))).toBe('QUEUE-19');
    const truth = [{ ...told, revision: 5, followUps: [next] }];
    expect(brokenBy(check(story, { handlers: truth }))).toBe('nothing');
  });
});
