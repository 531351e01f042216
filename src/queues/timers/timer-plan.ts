/**
 * Items that enter the queue later: `enqueue(payload, { delayMs })`.
 *
 * **Keys.** `N/X` holds the item X until its delay is over: it is in the queue exactly if that or `i/X` is there. `n/X` says how
 * long, until the dispatcher has seen it; `T/<due>/X` is its timer, by the time at which it is due. `N/` and `T/` lie outside
 * of what dispatchers watch.
 *
 * **Time** is queue time: the dispatcher's monotonic clock, from which each beat tells (`beat.timeMs`), and from which its
 * successor goes on. It stands still while there is no dispatcher, and never runs ahead of true time by more than that clock does: a
 * successor goes on from a beat that was sent before. So no clock of a producer matters, and none that is set.
 *
 * **Transactions.**
 * - *Enqueue* `{… THEN put N/X, put n/X := delay}`, in the place of `put i/X`, with all that guards it. The id, and with it the
 *   place in the queue, is made as ever.
 * - *Stamp*, under the term: `{IF create(n/X) = c THEN delete n/X, put T/<now + delay>/X}`, now being when the dispatcher learned of it.
 * - *Fire*, under the term: `{IF create(N/X) = c THEN delete N/X, delete T/<due>/X, put i/X ELSE delete T/<due>/X}`, once it is due.
 * - *Cancel* `IF create(N/X) = c THEN delete N/X, delete n/X, put x/X …`: see results/cancellation.ts. Where its timer stands the caller
 *   does not know: the dispatcher deletes it when it hears of it, or when it is due.
 *
 * **Below the gate.** A firing puts X where it belongs by its enqueue, which may be below the gate, below what windows have
 * passed and below the base. That breaks nothing, since only the term's dispatcher fires, and it relies on the gate for its own
 * plan only: it adds X to that as its write is answered; a window that was asked for before is taken together with what
 * fired into it (window-reader.ts); and with each firing goes a beat whose base is not above X, so that a successor reads it.
 *
 * **Memory.** What fires into a part of the queue that is left in the store is left there too. Where all of the queue is in memory and that
 * is too much, nothing fires until the rest has been left: the guarded move of the gate that it takes would be refused because of
 * what fired and the watch has not told yet. An item that is created and gone before the reply is not planned.
 *
 * - *Reply lost*: the exactly-once store finds out; if it cannot, the term is given up, and the successor finds `N/X` or `i/X`.
 * - *Session lost, process paused*: the term refuses what comes late. A delay that was not stamped begins anew under the successor;
 *   it can only come later. A stamped one goes on.
 * - *Watch cut, history compacted*: stamped timers are read anew, and what nobody has stamped is found under `n/`.
 *
 * **Bound.** X is not in the queue before `delay * (1 - rho)` since its enqueue, rho being the error of the dispatcher's clock's rate. It is
 * late by the time without a dispatcher, by the queue time since the last beat of each dispatcher that dies (300 ms, or a
 * 32nd of what is left, up to 10 s; one that resigns tells the time as it goes), and by the requests it takes: a stamp, a read and a firing, each shared with up to 60 others.
 */
import type { StoredItem } from '../dispatch/messages.js';
import type { ItemId } from '../keys.js';
import { FreshTimers } from './fresh-timers.js';
import { HeldTimers } from './held-timers.js';
import type { DelayedItem, TimerAnswer, TimerOutcome, TimerRead, TimerWrite } from './messages.js';
import { isFull, NearTimers } from './near-timers.js';
import { pulseFor } from './pulse.js';

const mostStamps = 60;
const mostHeld = 2_000;
/** Values are read so long before they are needed. */
const leadMs = 1_000;

/** The timers of a plan. Times that are passed in are of the dispatcher's clock. */
export class TimerPlan {
  readonly #fresh: FreshTimers;
  readonly #held: HeldTimers;
  readonly #near = new NearTimers();
  /** What has to be added to the dispatcher's clock. */
  readonly #toQueueMs: number;

  /** `mirror`: see WorkerOptions. `queueMs`: the queue time at `nowMs`. */
  constructor({ mirror, queueMs, nowMs }: { mirror: number; queueMs: number; nowMs: number }) {
    const most = Math.min(mostHeld, Math.max(2, mirror >> 1));
    this.#fresh = new FreshTimers(most);
    this.#held = new HeldTimers(most);
    this.#toQueueMs = queueMs - nowMs;
  }

  /** The watch has brought one. */
  learned({ id, create, delayMs }: DelayedItem, nowMs: number): void {
    this.#fresh.learned({ id, create, dueMs: Math.ceil(nowMs + this.#toQueueMs + delayMs) });
  }

  cancelled(id: ItemId): void {
    this.#fresh.gone(id);
    const timer = this.#held.remove(id);
    if (timer !== undefined) this.#near.drop(timer);
  }

  /** What to read now; undefined if nothing more is. One of each type is under way at a time. */
  nextRead(nowMs: number): TimerRead | undefined {
    const queueMs = nowMs + this.#toQueueMs;
    for (const byMs of [queueMs, queueMs + leadMs]) {
      while (this.#near.hasRoom(byMs)) {
        const timer = this.#held.takeDue(byMs);
        if (timer === undefined) break;
        this.#near.add(timer);
      }
    }
    return this.#near.next() ?? this.#held.next(queueMs) ?? this.#fresh.next();
  }

  received(answer: TimerAnswer, nowMs: number): void {
    switch (answer.type) {
      case 'fresh':
        this.#fresh.received(answer, nowMs + this.#toQueueMs);
        return;
      case 'timers':
        this.#held.received(answer);
        return;
      case 'values':
        this.#near.received(answer);
    }
  }

  /** Undefined if there is nothing to write. `mayFire`: there is room for what fires. */
  nextWrite(nowMs: number, { mayFire = true } = {}): TimerWrite | undefined {
    const firings = mayFire ? this.#near.firings(nowMs + this.#toQueueMs) : [];
    if (isFull(firings)) return { stamps: [], firings, drops: [] };
    const stamps = this.#fresh.plan(mostStamps);
    const drops = this.#near.drops();
    if (firings.length === 0 && stamps.length === 0 && drops.length === 0) return undefined;
    return { stamps, firings, drops };
  }

  /** Answers the items that have entered the queue by it. */
  written({ stamps, firings, drops }: TimerWrite, outcome: TimerOutcome): readonly StoredItem[] {
    this.#fresh.settled(stamps);
    stamps.forEach(({ id, dueMs }, index) => {
      if (outcome.stamped[index]) this.#held.stamped({ id, dueMs });
    });
    this.#near.settled(firings, drops);
    return outcome.fired;
  }

  /** When to ask for a read and a write again though nothing has happened; undefined: not before something does. */
  wakeAtMs(nowMs: number): number | undefined {
    const queueMs = nowMs + this.#toQueueMs;
    const held = this.#held.firstHeldMs;
    const aheadMs = this.#near.hasRoom(Number.POSITIVE_INFINITY) ? leadMs : 0;
    // Without room it waits for others to fire, which is an event by itself.
    const isTaken = held !== undefined && this.#near.hasRoom(Math.max(held, queueMs));
    const takesMs = isTaken ? held - aheadMs : undefined;
    const times = [this.#near.nextDueMs, takesMs].filter((time) => time !== undefined);
    return times.length === 0 ? undefined : Math.min(...times) - this.#toQueueMs;
  }

  /** How often to beat, at least, as long as there are timers; undefined if there are none. */
  pulseMs(nowMs: number): number | undefined {
    if (!this.#near.isEmpty || !this.#fresh.isEmpty) return pulseFor(0);
    const next = this.#held.nextDueMs;
    return next === undefined ? undefined : pulseFor(next - this.#toQueueMs - nowMs);
  }
}

/** Whether such a write has room for nothing else. */
export function fillsWrite(write: TimerWrite | undefined): boolean {
  return write !== undefined && isFull(write.firings);
}

/** The first in the queue of the items that are to enter it. */
export function firstOfFirings(write: TimerWrite | undefined): ItemId | undefined {
  return write?.firings.map(({ id }) => id).sort()[0];
}
