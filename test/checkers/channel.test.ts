import { describe, expect, it } from 'vitest';
import {
  type ChannelCheck,
  type ChannelSubscriber,
  checkChannel,
  type PublishCall,
  type ToldItem,
} from '../../src/checkers/index.js';
import { encodeFrame } from '../../src/pubsub/channel/frame.js';
import { bytesOf, compare, Keyspace } from '../../src/store/index.js';
import { brokenBy, Story } from './story.js';

const keys = new Keyspace('n');
const frame = (...texts: readonly string[]) => encodeFrame(texts.map(bytesOf));

/** Revisions: 2 and 3 in a/1, 4 in both, 5 by hand, 6 in b. */
function log(): Story {
  const story = new Story();
  story.at(10).put('n/channel/a%2F1/m', frame('one', 'two'));
  story.at(20).put('n/channel/a%2F1/m', frame('three'));
  story
    .at(30)
    .step({ 'n/channel/a%2F1/m': { value: frame('four') }, 'n/channel/b/m': { value: frame('five') } });
  story.at(40).put('n/channel/a%2F1/m', 'by hand');
  story.at(50).put('n/channel/b/m', frame('six'));
  return story;
}

const place = (revision: number, index = 0) => ({ revision, index });

function call(text: string, beganAtMs: number, change: Partial<PublishCall> = {}): PublishCall {
  return {
    ...{ process: 'p', publisher: 'p', channel: 'a/1', texts: [text], outcome: 'done' },
    ...{ beganAtMs, endedAtMs: beganAtMs + 9, ...change },
  };
}

const calls: readonly PublishCall[] = [
  call('one', 5, { texts: ['one', 'two'], place: place(2) }),
  call('three', 15, { place: place(3) }),
  call('four', 25, { place: place(4) }),
  call('five', 25, { channel: 'b', publisher: 'q', place: place(4) }),
  call('six', 45, { channel: 'b', publisher: 'q', place: place(6) }),
];

const message = (channel: string, revision: number, index: number, text: string): ToldItem => ({
  ...{ type: 'message', channel, revision, index, text },
});
const one = message('a/1', 2, 0, 'one');
const two = message('a/1', 2, 1, 'two');
const three = message('a/1', 3, 0, 'three');
const four = message('a/1', 4, 0, 'four');
const five = message('b', 4, 0, 'five');
const six = message('b', 6, 0, 'six');
const byHand: ToldItem = { type: 'unreadable', channel: 'a/1', revision: 5, index: 0 };

function subscriber(items: readonly ToldItem[], change: Partial<ChannelSubscriber> = {}): ChannelSubscriber {
  return {
    ...{ process: 's', to: { channel: 'a/1' }, after: { revision: 1 }, mayDrop: false },
    ...{ items, isStanding: true, ...change },
  };
}

function check(change: Partial<ChannelCheck>) {
  const history = log().history();
  return () => checkChannel({ history, keys, calls, subscribers: [], compactedTo: 0, ...change });
}

const told = (items: readonly ToldItem[], change: Partial<ChannelSubscriber> = {}, compactedTo = 0) =>
  brokenBy(check({ subscribers: [subscriber(items, change)], compactedTo }));

describe('checkChannel', () => {
  it('counts what it checked of a history that keeps every promise', () => {
    const all = subscriber([one, two, three, four, five, byHand, six], { to: { prefix: '' } });
    const subscribers = [subscriber([one, two, three, four, byHand]), all];
    expect(check({ subscribers })()).toEqual({ published: 7, shared: 0, untold: 0, told: 12, gaps: 0 });
    const unknown = calls.map((each) => ({ ...each, outcome: 'unknown' as const }));
    expect(check({ calls: unknown })()).toMatchObject({ untold: 6 });
    const apart = [
      call('one', 5, { place: place(2) }),
      call('two', 6, { place: place(2, 1) }),
      ...calls.slice(1),
    ];
    expect(check({ calls: apart })()).toMatchObject({ shared: 1 });
  });

  it('CHANNEL-1 what is there twice, against what was told, in part, or asked for by nobody', () => {
    const with_ = (...changed: readonly PublishCall[]) => brokenBy(check({ calls: [...calls, ...changed] }));
    expect(with_(call('seven', 60, { outcome: 'not-applied' }))).toBe('nothing');
    expect(with_(call('seven', 60, { outcome: 'unknown' }))).toBe('nothing');
    expect(with_(call('seven', 60, { place: place(7) }))).toBe('CHANNEL-1');
    expect(brokenBy(check({ calls: calls.slice(1) }))).toBe('CHANNEL-1');
    const changed = (change: Partial<PublishCall>) =>
      brokenBy(check({ calls: [{ ...(calls[0] as PublishCall), ...change }, ...calls.slice(1)] }));
    expect(changed({ place: place(2, 1) })).toBe('CHANNEL-1');
    expect(changed({ outcome: 'not-applied' })).toBe('CHANNEL-1');
    expect(changed({ texts: ['one', 'two', 'more'] })).toBe('CHANNEL-1');
    expect(changed({ channel: 'b' })).toBe('CHANNEL-1');
    const story = log();
    story.put('n/channel/b/m', frame('three'));
    expect(brokenBy(check({ history: story.history() }))).toBe('CHANNEL-1');
  });

  it('CHANNEL-2 another order than that of the calls, or of time', () => {
    const [first, second, ...others] = calls as readonly [PublishCall, PublishCall, ...PublishCall[]];
    expect(brokenBy(check({ calls: [second, first, ...others] }))).toBe('CHANNEL-2');
    const untold = { ...second, outcome: 'unknown' as const };
    expect(brokenBy(check({ calls: [untold, first, ...others] }))).toBe('nothing');
    expect(brokenBy(check({ calls: [first, { ...second, beganAtMs: 22 }, ...others] }))).toBe('CHANNEL-2');
    expect(brokenBy(check({ calls: [first, { ...second, endedAtMs: 18 }, ...others] }))).toBe('CHANNEL-2');
  });

  it('CHANNEL-3 loss, duplication, another order, another text, and an end too soon', () => {
    expect(told([one, two, three, four, byHand])).toBe('nothing');
    expect(told([one, three, four, byHand])).toBe('CHANNEL-3');
    expect(told([one, two, two, three, four, byHand])).toBe('CHANNEL-3');
    expect(told([two, one, three, four, byHand])).toBe('CHANNEL-3');
    expect(told([message('a/1', 2, 0, 'won'), two, three, four, byHand])).toBe('CHANNEL-3');
    expect(told([one, two, three, four])).toBe('CHANNEL-3');
    expect(told([one, two, three, four], { isStanding: false })).toBe('nothing');
    expect(told([one, two, three, byHand])).toBe('CHANNEL-3');
    expect(told([{ ...byHand, revision: 2 }, two], { isStanding: false })).toBe('CHANNEL-3');
    const unreadable = new Set(['one']);
    const subscribers = [subscriber([{ ...byHand, revision: 2 }, two], { isStanding: false })];
    expect(brokenBy(check({ subscribers, unreadable }))).toBe('nothing');
  });

  it('CHANNEL-3 begins after its position, within a frame and within a revision too', () => {
    const rest = [two, three, four, byHand];
    expect(told(rest, { after: { revision: 2, index: 0 } })).toBe('nothing');
    expect(told([one, ...rest], { after: { revision: 2, index: 0 } })).toBe('CHANNEL-3');
    const to = { prefix: '' };
    expect(told([five, byHand, six], { to, after: { revision: 4, index: 0, channel: 'a/1' } })).toBe(
      'nothing',
    );
    expect(told([byHand, six], { to, after: { revision: 4, index: 0, channel: 'b' } })).toBe('nothing');
  });

  it('CHANNEL-4 a gap where nothing is missing, save one just before a message that nobody can know to be the only one', () => {
    const to = { channel: 'b' };
    const gap = (fromRevision: number, toRevision: number): ToldItem => ({
      ...{ type: 'gap', reason: 'compacted', fromRevision, toRevision },
    });
    expect(told([gap(2, 3), five, six], { to }, 9)).toBe('nothing');
    expect(told([gap(2, 2), five, six], { to }, 9)).toBe('CHANNEL-4');
    expect(told([five, gap(5, 5), six], { to }, 9)).toBe('nothing');
    expect(told([five, gap(5, 5), six], { to, isLive: true }, 9)).toBe('CHANNEL-4');
    expect(told([gap(2, 3), five, six], { to, isLive: true }, 9)).toBe('nothing');
    expect(told([five, six, gap(7, 8)], { to }, 9)).toBe('CHANNEL-4');
    expect(told([five, gap(5, 5), six], { to: { prefix: 'b' }, isLive: true }, 9)).toBe('nothing');
  });

  it('CHANNEL-4 a gap that is not exact, or that nothing called for', () => {
    const gap: ToldItem = { type: 'gap', reason: 'compacted', fromRevision: 3, toRevision: 4 };
    expect(told([one, two, gap, byHand], {}, 4)).toBe('nothing');
    expect(told([one, two, gap, byHand], {}, 3)).toBe('CHANNEL-4');
    expect(told([one, gap, byHand], {}, 4)).toBe('CHANNEL-4');
    expect(told([one, two, three, gap, byHand], {}, 4)).toBe('nothing');
    expect(told([one, two, three, four, gap, byHand], {}, 4)).toBe('CHANNEL-4');
    expect(told([one, two, { ...gap, fromRevision: 4, toRevision: 3 }], {}, 4)).toBe('CHANNEL-4');
    expect(told([one, two, { ...gap, reason: 'missing' }, byHand], {}, 4)).toBe('CHANNEL-4');
    const dropped: ToldItem = {
      ...gap,
      reason: 'dropped',
      fromRevision: 2,
      toRevision: 3,
      index: 0,
      messages: 2,
    };
    expect(told([one, dropped, four, byHand], { mayDrop: true })).toBe('nothing');
    expect(told([one, dropped, four, byHand])).toBe('CHANNEL-4');
    expect(told([one, { ...dropped, messages: 1 }, three, four, byHand], { mayDrop: true })).toBe(
      'CHANNEL-4',
    );
    expect(told([one, { ...dropped, toRevision: 4 }, four, byHand], { mayDrop: true })).toBe('CHANNEL-4');
  });

  it('CHANNEL-5 a subscription that began after what was published since', () => {
    expect(told([four, byHand], { after: { revision: 3 }, joinedAtMs: 20 })).toBe('nothing');
    expect(told([four, byHand], { after: { revision: 3 }, joinedAtMs: 19 })).toBe('CHANNEL-5');
  });

  it('CHANNEL-6 a message of a channel that was not asked for', () => {
    const to = { prefix: 'a' };
    expect(told([one, two, three, four, byHand], { to })).toBe('nothing');
    expect(told([one, two, three, four, five], { to })).toBe('CHANNEL-6');
  });

  it('CHANNEL-7 a message under a guard that had ended', () => {
    const under = (operand: number) =>
      brokenBy(
        check({
          calls: calls.map((each) =>
            each.texts[0] === 'six'
              ? { ...each, guard: compare.mod('n/channel/b/m', 'equal', operand) }
              : each,
          ),
        }),
      );
    expect(under(4)).toBe('nothing');
    expect(under(3)).toBe('CHANNEL-7');
  });
});
