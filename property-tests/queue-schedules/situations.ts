/** What a run of schedules must meet at times. */
import type { QueueSchedulesCounts } from '../../src/checkers/index.js';

export const situations = [
  'ticks were decided by a successor',
  'missed ticks were skipped',
  'missed ticks had one item together',
  'missed ticks had an item each, up to so many',
  'a schedule was changed',
  'a schedule was removed',
  'a decision of ticks was refused, though not by the term',
  'a decision of a deposed dispatcher was refused',
  'a schedule was set as it ticked',
] as const;

export type Situation = (typeof situations)[number];

/** Those that the history tells. */
export function situationsIn(counts: QueueSchedulesCounts): readonly (readonly [Situation, number])[] {
  return [
    ['ticks were decided by a successor', counts.bySuccessor],
    ['missed ticks were skipped', counts.skipped],
    ['missed ticks had one item together', counts.oneForAll],
    ['missed ticks had an item each, up to so many', counts.someForAll],
    ['a schedule was changed', counts.changed],
    ['a schedule was removed', counts.removed],
  ];
}
