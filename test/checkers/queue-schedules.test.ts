import { describe, expect, it } from 'vitest';
import { checkQueueSchedules } from '../../src/checkers/index.js';
import { itemId, QueueKeys } from '../../src/queues/keys.js';
import { encodeItem, encodeSchedule, type ScheduleRecord } from '../../src/queues/records/index.js';
import { bytesOf } from '../../src/store/index.js';
import { brokenBy, type Change, evidenceOf, Story } from './story.js';

const prefix = 'queue/q/';
const keys = new QueueKeys(prefix);
const payload = bytesOf('"it"');
const set: ScheduleRecord = { rule: { everyMs: 1_000 }, missed: 'one', delayMs: 0, lastMs: 10_500, payload };

/** A schedule that ticks each second, set at 10.5 s. */
class ScheduleStory extends Story {
  #items = 0;
  record = set;

  constructor(record: Partial<ScheduleRecord> = {}) {
    super();
    this.put(keys.candidate('v'), '', '7');
    this.set(record);
  }

  set(change: Partial<ScheduleRecord>): this {
    this.record = { ...this.record, decidedAtMs: undefined, ...change };
    this.put(keys.schedule('s'), encodeSchedule(this.record));
    return this;
  }

  decide(
    decidedAtMs: number,
    lastMs: number,
    ticks: readonly number[],
    change: Partial<ScheduleRecord> = {},
  ): this {
    this.record = { ...this.record, lastMs, decidedAtMs, ...change };
    this.step({ [keys.schedule('s')]: { value: encodeSchedule(this.record) }, ...this.items(ticks) });
    return this;
  }

  items(ticks: readonly number[], value = payload): Record<string, Change> {
    const changes = ticks.map((tickMs) => {
      this.#items += 1;
      const traits = { schedule: 's', tickMs };
      return [keys.item(itemId(this.revision, 'p', this.#items)), { value: encodeItem(value, 0, traits) }];
    });
    return Object.fromEntries(changes) as Record<string, Change>;
  }
}

function check(story: Story) {
  return checkQueueSchedules({ history: story.history(), prefix });
}

describe('QUEUE-24', () => {
  it('is kept by ticks that are decided in order, each with its item', () => {
    const story = new ScheduleStory()
      .decide(11_000, 11_000, [11_000])
      .decide(13_100, 13_000, [12_000, 13_000]);
    story.remove(keys.candidate('v'));
    story.put(keys.candidate('w'), '', '8');
    story.decide(14_000, 14_000, [14_000]);
    expect(check(story)).toMatchObject({ decisions: 3, items: 4, bySuccessor: 1, changed: 0 });
  });

  it('is kept by missed ticks that are treated as was asked for', () => {
    const onTime = [16_000, 17_000, 18_000, 19_000, 20_000];
    expect(check(new ScheduleStory().decide(20_500, 20_000, [15_000, ...onTime]))).toMatchObject({
      oneForAll: 1,
    });
    expect(check(new ScheduleStory({ missed: 'skip' }).decide(20_500, 20_000, onTime))).toMatchObject({
      skipped: 1,
    });
    const some = new ScheduleStory({ missed: { atMost: 2 } }).decide(20_500, 20_000, [
      14_000,
      15_000,
      ...onTime,
    ]);
    expect(check(some)).toMatchObject({ someForAll: 1 });
  });

  it('is kept by a schedule that is changed, and removed and set again', () => {
    const story = new ScheduleStory()
      .decide(11_000, 11_000, [11_000])
      .set({ rule: { everyMs: 5_000 }, lastMs: 11_200 });
    story.decide(15_001, 15_000, [15_000]);
    story.remove(keys.schedule('s'));
    story.set({ lastMs: 9_000 }).decide(10_000, 10_000, [10_000]);
    expect(check(story)).toMatchObject({ changed: 1, removed: 1, decisions: 3 });
  });

  it('is kept by ticks that are decided in parts, as many as fit into a write, and broken by smaller ones', () => {
    const large = new Uint8Array(262_144);
    const part = (story: ScheduleStory, lastMs: number, ticks: readonly number[]) => {
      story.record = { ...story.record, lastMs, decidedAtMs: 14_500 };
      const value = encodeSchedule(story.record);
      return story.step({ [keys.schedule('s')]: { value }, ...story.items(ticks, large) });
    };
    const story = new ScheduleStory({ payload: large });
    part(story, 13_000, [11_000, 12_000, 13_000]);
    part(story, 14_000, [14_000]);
    expect(check(story)).toMatchObject({ decisions: 2, items: 4 });
    const short = new ScheduleStory({ payload: large });
    part(short, 12_000, [11_000, 12_000]);
    expect(brokenBy(() => check(short))).toBe('QUEUE-24');
  });

  it.each<[string, (story: ScheduleStory) => void]>([
    [
      'a tick that comes twice',
      (story) => story.decide(11_000, 11_000, [11_000]).decide(11_000, 11_000, [11_000]),
    ],
    ['a tick that comes early', (story) => story.decide(10_900, 11_000, [11_000])],
    ['a tick without its item', (story) => story.decide(11_000, 11_000, [])],
    ['an item too many', (story) => story.decide(11_000, 11_000, [11_000, 11_000])],
    ['a tick that is passed over', (story) => story.decide(12_500, 12_000, [12_000])],
    ['ticks out of order', (story) => story.decide(12_500, 12_000, [12_000, 11_000])],
    ['ticks that are left behind', (story) => story.decide(12_500, 11_000, [11_000])],
    [
      'missed ticks made up for, though not asked',
      (story) => story.decide(17_500, 17_000, [11_000, 12_000, 13_000, 14_000, 15_000, 16_000, 17_000]),
    ],
    ['an item beside no decision', (story) => story.step(story.items([11_000]))],
    [
      'an item beside a change',
      (story) =>
        story.step({ [keys.schedule('s')]: { value: encodeSchedule(set) }, ...story.items([11_000]) }),
    ],
    [
      'an item with another payload',
      (story) => {
        const record = { ...set, lastMs: 11_000, decidedAtMs: 11_000 };
        story.step({
          [keys.schedule('s')]: { value: encodeSchedule(record) },
          ...story.items([11_000], bytesOf('other')),
        });
      },
    ],
    ['a change that goes back', (story) => story.decide(11_000, 11_000, [11_000]).set({ lastMs: 10_900 })],
    [
      'a decision of a schedule that is gone',
      (story) => {
        story.remove(keys.schedule('s'));
        story.decide(11_000, 11_000, [11_000]);
      },
    ],
  ])('is broken by %s', (_, goOn) => {
    const story = new ScheduleStory();
    goOn(story);
    expect(brokenBy(() => check(story))).toBe('QUEUE-24');
  });

  it('QUEUE-8 is broken by an item that is put below the gate', () => {
    const story = new ScheduleStory();
    story.put(keys.gate, itemId(900, 'p', 1));
    story.decide(11_000, 11_000, [11_000]);
    expect(brokenBy(() => check(story))).toBe('QUEUE-8');
  });

  it('says which schedule, and which ticks', () => {
    const story = new ScheduleStory().decide(12_500, 12_000, [12_000]);
    expect(evidenceOf(() => check(story))).toMatch(
      /schedule "s" at revision \d+ puts items for ticks 12000, and should for 11000,12000/u,
    );
  });
});
