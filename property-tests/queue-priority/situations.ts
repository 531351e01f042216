/** What a run of a priority queue must meet at times. */
import type { QueuePriorityCounts } from '../../src/checkers/index.js';
import { situations as ofEveryQueue } from '../queue/situations.js';

const own = [
  'an item passed an older one that is less urgent',
  'an item was given out before one that is more urgent and came too late',
  'an item was given out beside one that is more urgent and has a key',
  'a priority was used for the first time while others waited',
  'a takeover while items of several priorities waited',
] as const;

export const situations = [...ofEveryQueue, ...own] as const;

/** Those that the history tells. */
export function situationsIn(
  counts: QueuePriorityCounts,
): readonly (readonly [(typeof own)[number], number])[] {
  return [
    ['an item passed an older one that is less urgent', counts.passing],
    ['an item was given out before one that is more urgent and came too late', counts.beforeYounger],
    ['an item was given out beside one that is more urgent and has a key', counts.besideHeld],
    ['a priority was used for the first time while others waited', counts.openedLate],
    ['a takeover while items of several priorities waited', counts.takeovers],
  ];
}
