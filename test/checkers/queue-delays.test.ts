import { describe, expect, it } from 'vitest';
import { checkQueueDelays } from '../../src/checkers/index.js';
import { itemId, QueueKeys } from '../../src/queues/keys.js';
import { encodeBeat } from '../../src/queues/records/index.js';
import { timerPlace } from '../../src/queues/timers/timer-place.js';
import { brokenBy, type Change, evidenceOf, Story } from './story.js';

const prefix = 'queue/q/';
const keys = new QueueKeys(prefix, 'delay');
const x = itemId(5, 'p', 1);
const due = keys.timer(timerPlace(1_000, x));
const gone: Change = {};

/** Item x is delayed by a second at 100 ms, and stamped. */
function delayed(): Story {
  const story = new Story().at(0);
  story.put(keys.candidate('v'), '', '7');
  story.at(100).step({ [keys.delayedItem(x)]: { value: 'it' }, [keys.freshDelay(x)]: { value: '1000' } });
  return story;
}

function stamped(): Story {
  const story = delayed();
  story.at(110).step({ [keys.freshDelay(x)]: gone, [due]: { value: '' } });
  return story;
}

const firing = { [keys.delayedItem(x)]: gone, [due]: gone, [keys.item(x)]: { value: 'it' } };

function check(
  story: Story,
  options: { mayPurge?: boolean; settled?: boolean; clockRateError?: number } = {},
) {
  return checkQueueDelays({ history: story.history(), prefix, ...options });
}

describe('QUEUE-22', () => {
  it('is kept by an item that enters when its delay is over', () => {
    const story = stamped();
    story.at(1_100).step(firing);
    expect(check(story, { settled: true })).toMatchObject({
      fired: 1,
      firedBelowGate: 0,
      firedBySuccessor: 0,
    });
  });

  it('is broken by one that enters before, beyond what a clock may be wrong', () => {
    const story = stamped();
    story.at(1_095).step(firing);
    expect(brokenBy(() => check(story))).toBe('QUEUE-22');
    expect(evidenceOf(() => check(story))).toContain('995 ms of 1000 ms');
    expect(brokenBy(() => check(story, { clockRateError: 0.01 }))).toBe('nothing');
  });
});

describe('QUEUE-23', () => {
  it('is kept by an item that is cancelled, and by one that is purged where that may be', () => {
    const cancelled = delayed();
    cancelled.step({
      [keys.delayedItem(x)]: gone,
      [keys.freshDelay(x)]: gone,
      [keys.cancellation(x)]: { value: 'no' },
    });
    expect(check(cancelled, { settled: true })).toMatchObject({ cancelled: 1, cancelledFresh: 1, fired: 0 });
    const late = stamped();
    late.step({ [keys.delayedItem(x)]: gone, [keys.cancellation(x)]: { value: 'no' } });
    late.remove(due);
    expect(check(late, { settled: true })).toMatchObject({ cancelled: 1, cancelledFresh: 0, dropped: 1 });
    const purged = delayed();
    purged.remove(keys.delayedItem(x), keys.freshDelay(x));
    expect(check(purged, { mayPurge: true, settled: true })).toMatchObject({ purged: 1 });
    expect(brokenBy(() => check(purged))).toBe('QUEUE-23');
  });

  it.each<[string, (story: Story) => void]>([
    ['enters and stays delayed', (story) => story.step({ [due]: gone, [keys.item(x)]: { value: 'it' } })],
    ['enters with another value', (story) => story.step({ ...firing, [keys.item(x)]: { value: 'other' } })],
    ['loses its timer', (story) => story.remove(due)],
    ['has two timers', (story) => story.put(keys.timer(timerPlace(2_000, x)))],
    [
      'enters again after it has ended',
      (story) => {
        story.step(firing);
        story.remove(keys.item(x));
        story.put(keys.item(x), 'it');
      },
    ],
    [
      'is delayed again after it has entered',
      (story) => {
        story.step(firing);
        story.step({ [keys.delayedItem(x)]: { value: 'it' }, [keys.freshDelay(x)]: { value: '1' } });
      },
    ],
    [
      'is delayed, and nobody is told for how long',
      (story) => story.put(keys.delayedItem(itemId(5, 'p', 2)), 'it'),
    ],
    [
      'is made to wait anew, by a queue time that goes back',
      (story) => {
        for (const timeMs of [900, 899])
          story.put(keys.beat, encodeBeat({ timeMs, bases: {}, follows: false, seen: 1 }));
      },
    ],
  ])('is broken by an item that %s', (_, goOn) => {
    const story = stamped().at(2_000);
    goOn(story);
    expect(brokenBy(() => check(story))).toBe('QUEUE-23');
  });

  it('is broken by what is left when everything had time to be done', () => {
    expect(brokenBy(() => check(stamped(), { settled: true }))).toBe('QUEUE-23');
    const story = stamped().at(2_000);
    story.step({ ...firing, [due]: { value: '' } });
    expect(brokenBy(() => check(story))).toBe('nothing');
    expect(evidenceOf(() => check(story, { settled: true }))).toContain('is left');
  });

  it('tells of what fired below the gate, and under whom', () => {
    const story = stamped().at(1_500);
    story.put(keys.gate, itemId(9, 'p', 1));
    story.remove(keys.candidate('v'));
    story.put(keys.candidate('w'), '', '8');
    story.step(firing);
    expect(check(story)).toMatchObject({
      fired: 1,
      firedBelowGate: 1,
      firedBySuccessor: 1,
      stampedBySuccessor: 0,
    });
  });
});
