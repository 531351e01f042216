/** What a run of a queue with delays must meet at times. */
import type { QueueDelaysCounts } from '../../src/checkers/index.js';

export const situations = [
  'an item fired below the gate',
  'an item fired into a window that was being read',
  'a delay was stamped by a successor',
  'an item was fired by a successor of who stamped it',
  'a dispatcher fell as an item had fired',
  'a delayed item was cancelled',
  'a delayed item was cancelled before it was stamped',
  'a timer was deleted whose item was cancelled',
  'a delayed item was purged',
  'timers were left in the store and read later',
  'delays that nobody had stamped were read',
  'backlog mode was entered',
] as const;

export type Situation = (typeof situations)[number];

/** Those that the history tells. */
export function situationsIn(counts: QueueDelaysCounts): readonly (readonly [Situation, number])[] {
  return [
    ['an item fired below the gate', counts.firedBelowGate],
    ['a delay was stamped by a successor', counts.stampedBySuccessor],
    ['an item was fired by a successor of who stamped it', counts.firedBySuccessor],
    ['a delayed item was cancelled', counts.cancelled],
    ['a delayed item was cancelled before it was stamped', counts.cancelledFresh],
    ['a timer was deleted whose item was cancelled', counts.dropped],
    ['a delayed item was purged', counts.purged],
  ];
}
