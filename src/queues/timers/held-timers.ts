import { Delays } from '../dispatch/delays.js';
import type { ItemId } from '../keys.js';
import type { Timer, TimerAnswer, TimerRead } from './messages.js';
import { dueOf, type TimerPlace, timerPlace } from './timer-place.js';

type Answer = Extract<TimerAnswer, { type: 'timers' }>;
type Read = Extract<TimerRead, { type: 'timers' }>;

/** So many that were taken out may stay in the order, beside as many as are held. */
const mostRemoved = 1_000;
const firstSpanMs = 60_000;
/** Beyond this the rest is read without an end. */
const widestSpanMs = 2 ** 42;

/**
 * The timers that are due first, as many as memory should hold: all below `cut`, in the order of their places. The rest lies in
 * the store and is read in windows with an explicit end, whose width grows and shrinks with what they find: etcd walks to the
 * end of a range whatever its limit, and there may be a hundred thousand timers of next week.
 *
 * Only this term writes timers, so what it has not read it has written itself: a timer that is written while a window is
 * read may be missing in it, and is remembered until the window has come.
 */
export class HeldTimers {
  readonly #most: number;
  readonly #timers = new Map<ItemId, Timer>();
  #order = new Delays<Timer>();
  /** From here on they lie in the store; undefined: none does. */
  #cut: TimerPlace | undefined = '';
  #reading: Read | undefined;
  #meanwhile: Timer[] = [];
  #spanMs = firstSpanMs;

  constructor(most: number) {
    this.#most = most;
  }

  /** When the first is due, or one may be that is not held. */
  get nextDueMs(): number | undefined {
    const first = this.#order.nextMs;
    const unread = this.#cut === undefined ? undefined : dueOf(this.#cut);
    if (first === undefined || unread === undefined) return first ?? unread;
    return Math.min(first, unread);
  }

  /** When the first of those that are held is due. */
  get firstHeldMs(): number | undefined {
    return this.#order.nextMs;
  }

  get isBehind(): boolean {
    return this.#cut !== undefined;
  }

  /** It stands in the store now. */
  stamped(timer: Timer): void {
    if (this.#cut === undefined || placeOfTimer(timer) < this.#cut) {
      this.#add(timer);
      this.#keepWithin();
    } else if (this.#reading !== undefined) this.#meanwhile.push(timer);
  }

  /** Takes out that of an item. */
  remove(id: ItemId): Timer | undefined {
    const timer = this.#timers.get(id);
    if (timer === undefined) return undefined;
    this.#timers.delete(id);
    if (this.#order.size > this.#timers.size * 2 + mostRemoved) this.#reorder();
    else this.#prune();
    return timer;
  }

  /** Takes out the first if it is due by then. */
  takeDue(byMs: number): Timer | undefined {
    const first = this.#order.takeDue(byMs);
    if (first === undefined) return undefined;
    this.#timers.delete(first.value.id);
    this.#prune();
    return first.value;
  }

  next(queueMs: number): TimerRead | undefined {
    const from = this.#cut;
    if (from === undefined || this.#reading !== undefined || this.#timers.size * 4 > this.#most)
      return undefined;
    const end = Math.floor(Math.max(queueMs, dueOf(from)) + this.#spanMs);
    const to = this.#spanMs > widestSpanMs ? undefined : timerPlace(end, '');
    this.#reading = { type: 'timers', from, to, limit: this.#most };
    return this.#reading;
  }

  received({ timers, next }: Answer): void {
    const read = this.#reading;
    if (read === undefined) return;
    this.#reading = undefined;
    this.#adjust(timers.length, next !== undefined);
    const to = next ?? read.to;
    this.#cut = to;
    for (const timer of timers) this.#add(timer);
    for (const timer of this.#meanwhile.splice(0)) {
      if (to === undefined || placeOfTimer(timer) < to) this.#add(timer);
    }
    this.#keepWithin();
  }

  #add(timer: Timer): void {
    if (this.#timers.has(timer.id)) return;
    this.#timers.set(timer.id, timer);
    this.#order.add(timer.dueMs, timer);
  }

  /** Leaves the later ones to the store when there are twice as many as there should be. */
  #keepWithin(): void {
    if (this.#timers.size <= this.#most * 2 || this.#reading !== undefined) return;
    const places = [...this.#timers.values()].map((timer) => ({ timer, place: placeOfTimer(timer) }));
    places.sort((a, b) => (a.place < b.place ? -1 : 1));
    for (const { timer } of places.slice(this.#most)) this.#timers.delete(timer.id);
    this.#cut = places[this.#most]?.place;
    this.#spanMs = firstSpanMs;
    this.#reorder();
  }

  /** Of those that are held, and no others. */
  #reorder(): void {
    this.#order = new Delays<Timer>();
    for (const timer of this.#timers.values()) this.#order.add(timer.dueMs, timer);
  }

  /** What was taken out otherwise is not the first any more. */
  #prune(): void {
    for (;;) {
      const first = this.#order.takeDue(Number.POSITIVE_INFINITY);
      if (first === undefined) return;
      if (this.#timers.get(first.value.id) !== first.value) continue;
      this.#order.add(first.untilMs, first.value);
      return;
    }
  }

  #adjust(count: number, more: boolean): void {
    if (more) this.#spanMs = Math.max(1, Math.floor(this.#spanMs / 2));
    else if (count * 2 < this.#most) this.#spanMs *= count === 0 ? 64 : 2;
  }
}

function placeOfTimer({ dueMs, id }: Timer): TimerPlace {
  return timerPlace(dueMs, id);
}
