/**
 * Whether a condition holds, and how far it reaches. Pure.
 *
 * A condition that speaks of gathered items (`size`, `present`) is fulfilled by the first of them, and reaches up to the last that
 * it needs: what is behind waits for another batch. One that does not (`done`, `gate`) reaches over nothing by itself, and lets
 * all go that has gathered. `all` reaches as far as the farthest of its parts, `any` as far as the nearest that holds; where
 * one of those needs no items at all, over nothing.
 */
import type { ItemId } from '../keys.js';
import type { GatePredicate, GateValue, QueueCondition } from './condition.js';

/** What a condition is judged by. */
export interface ConditionState {
  /** The place right behind the n-th gathered item; undefined if there are fewer. */
  readonly behindCount: (count: number) => ItemId | undefined;
  /** The place right behind the first gathered item of the task; undefined if there is none. */
  readonly behindTask: (task: string) => ItemId | undefined;
  readonly isDone: (task: string) => boolean;
  /** Undefined if it was never set. */
  readonly gateValue: (name: string) => GateValue | undefined;
}

/** Needs no items. */
export const nothing: ItemId = '';

/** Up to where the condition reaches, {@link nothing} if it speaks of no items; undefined if it does not hold. */
export function reach(condition: QueueCondition, state: ConditionState): ItemId | undefined {
  switch (condition.type) {
    case 'size':
      return state.behindCount(condition.count);
    case 'present':
      return farthest(condition.tasks.map(state.behindTask));
    case 'done':
      return condition.tasks.every(state.isDone) ? nothing : undefined;
    case 'gate':
      return fulfils(state.gateValue(condition.name), condition.is) ? nothing : undefined;
    case 'all':
      return farthest(condition.of.map((part) => reach(part, state)));
    case 'any':
      return nearest(condition.of.map((part) => reach(part, state)));
  }
}

export function fulfils(value: GateValue | undefined, is: GatePredicate): boolean {
  if (value === undefined) return false;
  if ('equals' in is) return value === is.equals;
  if ('differs' in is) return value !== is.differs;
  if ('oneOf' in is) return is.oneOf.includes(value);
  if (typeof value !== 'number') return false;
  return 'atLeast' in is ? value >= is.atLeast : value <= is.atMost;
}

function farthest(places: readonly (ItemId | undefined)[]): ItemId | undefined {
  let far: ItemId = nothing;
  for (const place of places) {
    if (place === undefined) return undefined;
    if (place > far) far = place;
  }
  return far;
}

function nearest(places: readonly (ItemId | undefined)[]): ItemId | undefined {
  let near: ItemId | undefined;
  for (const place of places) if (place !== undefined && (near === undefined || place < near)) near = place;
  return near;
}
