/** What a run of the queue's rules must meet at times. */
import type { QueueRulesCounts } from '../../src/checkers/index.js';

export const situations = [
  'the control changed while an assignment was in flight',
  'the queue was paused while an assignment was in flight',
  'an assignment was refused by the control',
  'a later job passed one that its group held back',
  'a job of a key came back from a worker that was lost, and others of it waited',
  'a job of a key waited for its retry, and others of it waited too',
  'a group was full at a takeover',
  'others waited for a job of their key at a takeover',
  'there was a rate at a takeover',
  'a cancellation was left to a successor',
  'a limit was set below what was in hand',
  'a job was cancelled in the hands of a worker',
  'a worker was told of its cancelled job',
  'a worker that had a cancelled job was lost before it could be told',
  'a handler was told that its job is cancelled',
  'backlog mode was entered',
] as const;

export type Situation = (typeof situations)[number];

/** Those that the history tells. */
export function situationsIn(counts: QueueRulesCounts): readonly (readonly [Situation, number])[] {
  return [
    ['a later job passed one that its group held back', counts.passed],
    ['a job of a key came back from a worker that was lost, and others of it waited', counts.keysOfLost],
    ['a job of a key waited for its retry, and others of it waited too', counts.keysInRetry],
    ['a group was full at a takeover', counts.takeoversWithFullGroup],
    ['others waited for a job of their key at a takeover', counts.takeoversWithHeldKey],
    ['there was a rate at a takeover', counts.takeoversWithRate],
    ['a cancellation was left to a successor', counts.takeoversWithCancellation],
    ['a limit was set below what was in hand', counts.loweredBelow],
    ['a job was cancelled in the hands of a worker', counts.cancelledInHand],
    ['a worker was told of its cancelled job', counts.told],
    ['a worker that had a cancelled job was lost before it could be told', counts.lostBeforeTold],
  ];
}
