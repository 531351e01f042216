/** What a run of a condition queue must meet at times. */
import type { QueueConditionsCounts } from '../../src/checkers/index.js';

export const situations = [
  'several items were released at once',
  'a queue was opened for good',
  'a condition that asks for no items released what was there',
  'a release was refused',
  'an item came while a release was on its way',
  'a gathered item went while a release was on its way',
  'a gate was set while a release was on its way',
  'the definition changed while an assignment was on its way',
  'a gathered item was cancelled',
  'gathered items were purged',
  'the dispatcher changed while items had gathered',
  'the definition changed while items had gathered',
  'the dispatcher changed while a task waited for others',
  'an item passed one whose task waited for others',
  'a task was given out after those that come before it',
  'an object with another definition was told',
] as const;

export type Situation = (typeof situations)[number];

/** Those that the history tells. */
export function situationsIn(counts: QueueConditionsCounts): readonly (readonly [Situation, number])[] {
  return [
    ['several items were released at once', counts.batches],
    ['a queue was opened for good', counts.openings],
    ['a condition that asks for no items released what was there', counts.byFactsAlone],
    ['a gathered item was cancelled', counts.cancelledGathered],
    ['gathered items were purged', counts.purgedGathered],
    ['the dispatcher changed while items had gathered', counts.takeoversWhileGathering],
    ['the definition changed while items had gathered', counts.definedWhileGathering],
    ['the dispatcher changed while a task waited for others', counts.takeoversWithHeldTask],
    ['an item passed one whose task waited for others', counts.passedHeldTask],
    ['a task was given out after those that come before it', counts.tasksInOrder],
  ];
}
