import { invalidArgument, shown } from '../../errors.js';
import { type ItemId, type LevelName, levelOf, type QueueKind } from '../keys.js';

/**
 * From 0, the most urgent, to this. A group of enqueues compares the gate of each level that it puts into, and the dispatcher
 * keeps a window and a gate for each that is used: few levels keep both cheap.
 */
export const leastUrgent = 31;
export const defaultPriority = 16;
const digits = 2;

/** The level of an item that is enqueued so. Throws `invalid-argument`. */
export function levelFor(kind: QueueKind, priority: unknown): LevelName {
  if (kind !== 'priority') {
    if (priority === undefined) return '';
    throw invalidArgument(`a priority in a queue of kind "${kind}"`, 'a queue of kind "priority", or none');
  }
  if (priority === undefined) return levelOfPriority(defaultPriority);
  if (
    typeof priority === 'number' &&
    Number.isInteger(priority) &&
    priority >= 0 &&
    priority <= leastUrgent
  ) {
    return levelOfPriority(priority);
  }
  throw invalidArgument(
    `priority is ${shown(priority)}`,
    `a whole number from 0, the most urgent, to ${leastUrgent}, or none`,
  );
}

/** Undefined for an item of a queue without levels. */
export function priorityOf(id: ItemId): number | undefined {
  const level = levelOf(id);
  return level === '' ? undefined : Number.parseInt(level, 16);
}

function levelOfPriority(priority: number): LevelName {
  return `${priority.toString(16).padStart(digits, '0')}/`;
}
