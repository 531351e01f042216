import { describe, expect, it } from 'vitest';
import {
  checkTopic,
  type HandedOut,
  leftToGroup,
  type PublishedText,
  type TopicCheck,
  type TopicReader,
  type TopicTenure,
} from '../../src/checkers/index.js';
import { encodeFrame } from '../../src/pubsub/topic/frame.js';
import { frameKey } from '../../src/pubsub/topic/frame-name.js';
import { type Cursor, cursorAt, encodeCursor } from '../../src/pubsub/topic/group/cursor.js';
import { TopicKeys } from '../../src/pubsub/topic/keys.js';
import { beginning, endOf, type Position } from '../../src/pubsub/topic/position.js';
import { encodeRemoval } from '../../src/pubsub/topic/reading/removal.js';
import { bytesOf, type Key } from '../../src/store/index.js';
import { brokenBy, type Change, Story } from './story.js';

const prefix = 'topic/t/';
const keys = new TopicKeys(prefix);
const group = keys.group('g');

/** A topic of two partitions, told in the words of its protocol. Each revision happens at its own number of milliseconds. */
class TopicStory extends Story {
  readonly published: PublishedText[] = [];
  readonly #frames = new Map<string, Key>();
  #segment = 1;
  #counter = 0;

  constructor() {
    super();
    this.tell({ [keys.head]: { value: '1' } });
  }

  tell(changes: Readonly<Record<Key, Change>>): number {
    this.at(this.revision + 1);
    return this.step(changes);
  }

  open(segment: number): number {
    this.#segment = segment;
    return this.tell({ [keys.head]: { value: String(segment) } });
  }

  /** One frame. Its texts are those of calls that were done, all of key k, unless it is said otherwise. */
  publish(
    texts: readonly string[],
    {
      partition = 0,
      key = 'k' as string | undefined,
      segment = this.#segment,
      call = {} as Partial<PublishedText>,
    } = {},
  ): number {
    this.#counter += 1;
    const name = {
      publisher: 'p',
      number: this.#counter,
      messages: texts.length,
      bytes: 1,
      publishedAtMs: 0,
    };
    const frame = frameKey(keys, partition, segment, name);
    const revision = this.tell({
      [frame]: { value: encodeFrame(texts.map((text) => ({ key, payload: bytesOf(text) }))) },
    });
    for (const [index, text] of texts.entries()) {
      this.#frames.set(text, frame);
      this.published.push({
        ...{
          process: 'p',
          publisher: 'p',
          key,
          text,
          outcome: 'done',
          place: { partition, revision, index },
        },
        ...{ beganAtMs: revision - 1, endedAtMs: revision, ...call },
      });
    }
    return revision;
  }

  /** Frames, named by one of their texts, and what is said of them. */
  removeFrames(texts: readonly string[], said?: { upTo: number; messages: number }, partition = 0): number {
    const gone = Object.fromEntries(texts.map((text) => [this.#frames.get(text) ?? '', {}]));
    return this.tell({
      ...gone,
      ...(said === undefined ? {} : { [keys.removal(partition)]: { value: encodeRemoval(said) } }),
    });
  }

  own(member = 'm', partition = 0): number {
    return this.tell({ [group.owner(partition)]: { value: member, lease: '7' } });
  }

  disown(partition = 0): number {
    return this.tell({ [group.owner(partition)]: {} });
  }

  cursor(
    term: number,
    after: Position,
    more: Partial<Cursor> = {},
    beside: Record<Key, Change> = {},
  ): number {
    const value = encodeCursor({ ...cursorAt(after, undefined), ...more, term });
    return this.tell({ [group.cursor(0)]: { value }, ...beside });
  }

  check(more: Partial<TopicCheck> = {}, tenures: readonly TopicTenure[] = []): TopicCheck {
    const { published } = this;
    const groups = [{ name: 'g', tenures }];
    return { history: this.history(), prefix, partitions: 2, published, groups, ...more };
  }
}

const found = (check: TopicCheck) => brokenBy(() => checkTopic(check));

describe('what was published', () => {
  it('TOPIC-1 is there once, as its publisher was told', () => {
    const story = new TopicStory();
    story.publish(['a', 'b']);
    expect(found(story.check())).toBe('nothing');
    expect(checkTopic(story.check())).toMatchObject({ messages: 2, untold: 0 });
    expect(found(story.check({ published: story.published.slice(1) }))).toBe('TOPIC-1');
    const changed = (change: Partial<PublishedText>) =>
      story.check({
        published: [
          { ...(story.published[0] as PublishedText), ...change },
          story.published[1] as PublishedText,
        ],
      });
    expect(found(changed({ outcome: 'not-applied' }))).toBe('TOPIC-1');
    expect(checkTopic(changed({ outcome: 'unknown' })).untold).toBe(1);
    expect(found(changed({ key: 'other' }))).toBe('TOPIC-1');
    expect(found(changed({ place: { partition: 0, revision: 3, index: 1 } }))).toBe('TOPIC-1');
    story.publish(['a']);
    expect(found(story.check())).toBe('TOPIC-1');
  });

  it('TOPIC-2 is in order for a key, in one partition', () => {
    const story = new TopicStory();
    story.publish(['a'], { call: { beganAtMs: 90, endedAtMs: 95 } });
    story.publish(['b']);
    expect(found(story.check({ published: [...story.published].reverse() }))).toBe('TOPIC-2');
    const apart = new TopicStory();
    apart.publish(['a']);
    apart.publish(['b'], { partition: 1 });
    expect(found(apart.check())).toBe('TOPIC-2');
    const others = new TopicStory();
    others.publish(['b'], { call: { publisher: 'q', process: 'q', beganAtMs: 90 } });
    others.publish(['a'], { call: { endedAtMs: 80, beganAtMs: 1 } });
    expect(found(others.check({ published: [...others.published].reverse() }))).toBe('TOPIC-2');
  });

  it('TOPIC-2 is in a segment that was open', () => {
    const story = new TopicStory();
    story.publish(['a']);
    story.open(2);
    story.publish(['b']);
    expect(found(story.check())).toBe('nothing');
    story.publish(['c'], { segment: 1 });
    expect(found(story.check())).toBe('TOPIC-2');
    const back = new TopicStory();
    back.open(2);
    back.open(2);
    expect(found(back.check())).toBe('TOPIC-2');
  });
});

describe('what was removed', () => {
  it('TOPIC-8 is the oldest, and said in the same revision', () => {
    const told = () => {
      const story = new TopicStory();
      return { story, a: story.publish(['a']), b: story.publish(['b', 'c']), d: story.publish(['d']) };
    };
    const right = told();
    right.story.removeFrames(['a'], { upTo: right.a, messages: 1 });
    right.story.removeFrames(['b'], { upTo: right.b, messages: 3 });
    expect(checkTopic(right.story.check({ maxMessages: 1 })).removed).toBe(3);
    expect(found(right.story.check({ maxMessages: 2 }))).toBe('TOPIC-8');
    const untold = told();
    untold.story.removeFrames(['a']);
    expect(found(untold.story.check())).toBe('TOPIC-8');
    const miscounted = told();
    miscounted.story.removeFrames(['a'], { upTo: miscounted.a, messages: 2 });
    expect(found(miscounted.story.check())).toBe('TOPIC-8');
    const tooFar = told();
    tooFar.story.removeFrames(['a'], { upTo: tooFar.b, messages: 1 });
    expect(found(tooFar.story.check())).toBe('TOPIC-8');
    const notOldest = told();
    notOldest.story.removeFrames(['d'], { upTo: notOldest.a, messages: 1 });
    expect(found(notOldest.story.check())).toBe('TOPIC-8');
  });
});

describe('a reader', () => {
  const story = new TopicStory();
  const a = story.publish(['a']);
  const b = story.publish(['b', 'c']);
  const d = story.publish(['d']);
  story.removeFrames(['a'], { upTo: a, messages: 1 });
  const item = (text: string, revision: number, index = 0) =>
    ({ type: 'message', partition: 0, text, revision, index }) as const;
  const read = (items: TopicReader['items'], more: Partial<TopicReader> = {}) => {
    const reader = { process: 'r', items, after: 0, isFromStart: false, isStanding: true, ...more };
    return found(story.check({ readers: [reader] }));
  };
  const rest = [item('b', b), item('c', b, 1), item('d', d)];
  const gap = { type: 'gap', partition: 0, after: beginning, toRevision: a, messages: 1 } as const;

  it('TOPIC-3 is given every message, in order and once', () => {
    expect(read([item('a', a), ...rest])).toBe('nothing');
    expect(read(rest)).toBe('TOPIC-3');
    expect(read(rest, { isFromStart: true })).toBe('nothing');
    expect(read(rest.slice(1), { isFromStart: true })).toBe('TOPIC-3');
    expect(read([item('a', a), item('c', b, 1), item('d', d)])).toBe('TOPIC-3');
    expect(read([item('a', a), ...rest, item('d', d)])).toBe('TOPIC-3');
    expect(read([item('a', a), item('x', b)])).toBe('TOPIC-3');
    expect(read([item('a', a), item('b', b)])).toBe('TOPIC-3');
    expect(read([item('a', a), item('b', b)], { isStanding: false })).toBe('nothing');
    expect(read([], { after: undefined })).toBe('nothing');
  });

  it('TOPIC-9 is told a gap as it is', () => {
    expect(read([gap, ...rest])).toBe('nothing');
    expect(read([{ ...gap, messages: undefined }, ...rest])).toBe('nothing');
    expect(read([{ ...gap, messages: 2 }, ...rest])).toBe('TOPIC-9');
    expect(read([{ ...gap, toRevision: b }, item('d', d)])).toBe('TOPIC-9');
    expect(read([item('a', a), gap, ...rest])).toBe('TOPIC-9');
    expect(read([{ ...gap, after: endOf(a) }, ...rest])).toBe('TOPIC-9');
  });
});

describe('a group', () => {
  /** Three messages of one key, and one of another, and a member that owns them from the next revision on. */
  const begun = () => {
    const story = new TopicStory();
    const abc = story.publish(['a', 'b', 'c']);
    const x = story.publish(['x'], { key: 'other' });
    const term = story.own();
    return { story, abc, x, term };
  };
  const handed = (text: string, revision: number, index: number, ackedAtMs?: number): HandedOut => ({
    ...{ text, revision, index, attempt: 1, beganAtMs: 5 },
    ...(ackedAtMs === undefined ? {} : { ackedAtMs }),
  });
  const tenure = (
    term: number,
    handedOut: readonly HandedOut[],
    more: Partial<TopicTenure> = {},
  ): TopicTenure => ({
    ...{ process: 'm', partition: 0, term, asOf: term, handedOut, gaps: [], ...more },
  });

  it('TOPIC-4 is handed the messages of a key one after the other', () => {
    const { story, abc, x, term } = begun();
    const check = (...handedOut: HandedOut[]) => found(story.check({}, [tenure(term, handedOut)]));
    expect(check(handed('a', abc, 0, 5), handed('b', abc, 1, 5), handed('x', x, 0))).toBe('nothing');
    expect(check(handed('b', abc, 1))).toBe('TOPIC-4');
    expect(check(handed('a', abc, 0), handed('b', abc, 1))).toBe('TOPIC-4');
    expect(check(handed('x', x, 0))).toBe('nothing');
    expect(check(handed('y', abc, 0))).toBe('TOPIC-3');
  });

  it('TOPIC-5 has a cursor that passes nothing that was not dealt with', () => {
    const passing = (handedOut: readonly HandedOut[], beside: Record<Key, Change> = {}) => {
      const { story, abc, term } = begun();
      story.cursor(term, { revision: abc, index: 1 }, {}, beside);
      return found(story.check({}, [tenure(term, handedOut)]));
    };
    const { abc } = begun();
    const first = handed('a', abc, 0, 5);
    expect(passing([first, handed('b', abc, 1, 5)])).toBe('nothing');
    expect(passing([first, handed('b', abc, 1)])).toBe('TOPIC-5');
    expect(passing([first])).toBe('TOPIC-5');
    expect(passing([first], { [group.deadLetter(0, { revision: abc, index: 1 })]: { value: 'b' } })).toBe(
      'nothing',
    );
  });

  it('TOPIC-5 TOPIC-9 has a cursor that passes a gap once it was told, and counts', () => {
    const passing = (more: Partial<TopicTenure>, cursor: Partial<Cursor> = {}) => {
      const { story, abc, term } = begun();
      story.removeFrames(['a'], { upTo: abc, messages: 3 });
      story.cursor(term, endOf(abc), cursor);
      return found(story.check({}, [tenure(term, [], more)]));
    };
    const gap = { partition: 0, after: beginning, toRevision: begun().abc, messages: 3 };
    expect(passing({ gaps: [gap] })).toBe('nothing');
    expect(passing({ gaps: [gap] }, { count: 3 })).toBe('nothing');
    expect(passing({ gaps: [gap] }, { count: 2 })).toBe('TOPIC-9');
    expect(passing({ gaps: [{ ...gap, messages: 1 }] })).toBe('TOPIC-9');
    expect(passing({})).toBe('TOPIC-5');
  });

  it('TOPIC-6 is not handed again what it has acknowledged', () => {
    const { story, abc, term } = begun();
    const first = { ...handed('a', abc, 0, 5), confirmedAtMs: 99 };
    expect(found(story.check({}, [tenure(term, [first])]))).toBe('TOPIC-6');
    story.cursor(term, { revision: abc, index: 0 });
    expect(found(story.check({}, [tenure(term, [first])]))).toBe('nothing');
    expect(found(story.check({}, [tenure(term, [first, { ...first, ackedAtMs: 5 }])]))).toBe('TOPIC-6');
    story.disown();
    const next = story.own('n');
    const again = tenure(next, [handed('a', abc, 0)]);
    expect(found(story.check({}, [tenure(term, [first]), again]))).toBe('TOPIC-6');
    story.cursor(next, beginning);
    expect(found(story.check({}, [tenure(term, [first]), tenure(next, [])]))).toBe('TOPIC-6');
  });

  it('TOPIC-6 is told that something is acknowledged when it is, also after a seek', () => {
    const { story, abc, term } = begun();
    story.cursor(term, { revision: abc, index: 0 });
    story.cursor(0, beginning);
    const before = tenure(term, [handed('a', abc, 0, 5)]);
    const confirmed = { ...handed('a', abc, 0, 5), confirmedAtMs: 99 };
    const after = tenure(term, [confirmed], { asOf: term + 2 });
    expect(found(story.check({}, [before, after]))).toBe('TOPIC-6');
    story.cursor(term, { revision: abc, index: 0 });
    expect(found(story.check({}, [before, after]))).toBe('nothing');
  });

  it('TOPIC-7 has one owner a partition, who alone moves the cursor', () => {
    const first = begun();
    first.story.own('n');
    expect(found(first.story.check({}, [tenure(first.term, [])]))).toBe('TOPIC-7');
    const late = begun();
    const acked = [handed('a', late.abc, 0, 5)];
    late.story.disown();
    late.story.cursor(late.term, { revision: late.abc, index: 0 });
    expect(found(late.story.check({}, [tenure(late.term, acked)]))).toBe('TOPIC-7');
    const early = begun();
    expect(found(early.story.check({}, [tenure(early.term, [], { asOf: early.term - 1 })]))).toBe('TOPIC-7');
    const sought = begun();
    sought.story.cursor(sought.term, { revision: sought.abc, index: 0 });
    sought.story.cursor(0, beginning);
    sought.story.cursor(sought.term, { revision: sought.abc, index: 0 });
    const blind = tenure(sought.term, acked);
    expect(found(sought.story.check({}, [blind]))).toBe('TOPIC-7');
    const seeing = tenure(sought.term, acked, { asOf: sought.term + 2 });
    expect(found(sought.story.check({}, [blind, seeing]))).toBe('nothing');
  });

  it('says how much is left', () => {
    const { story, abc, term } = begun();
    const left = () => leftToGroup(story.history(), prefix, 2, 'g', story.revision);
    expect(left()).toBe(4);
    story.cursor(term, { revision: abc, index: 0 }, { done: [{ revision: abc, first: 2, last: 2 }] });
    expect(left()).toBe(2);
    story.removeFrames(['x'], { upTo: abc + 1, messages: 1 });
    expect(left()).toBe(1);
  });
});
