import { hexRevision } from '../../store/index.js';
import type { ItemId } from '../keys.js';

/** `<due>/<id>`: timers sort by the time at which they are due. The empty one is before all. */
export type TimerPlace = string;

const dueDigits = 16;

export function timerPlace(dueMs: number, id: ItemId): TimerPlace {
  return `${hexRevision(dueMs)}/${id}`;
}

export function dueOf(place: TimerPlace): number {
  return place === '' ? 0 : Number.parseInt(place.slice(0, dueDigits), 16);
}

export function itemOfTimer(place: TimerPlace): ItemId {
  return place.slice(dueDigits + 1);
}
