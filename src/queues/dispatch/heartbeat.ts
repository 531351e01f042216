import type { Beat } from '../records/index.js';

/** How often a dispatcher shows that it lives, while there is something to show it for. */
export const beatIntervalMs = 300;
/** With so many new items between two beats, the next candidate is told to count beats instead of watching items. */
const busyItems = 10;

/**
 * When the dispatcher beats. A beat rides on a write that is due anyway if it can. None is sent for a queue where
 * nothing waits and nothing comes in: the last one says so, and the next candidate then watches for new items, which
 * the dispatcher answers with a beat whose `seen` covers them.
 */
export class Heartbeat {
  #startMs = 0;
  #timeMs = 0;
  #lastAtMs = Number.NEGATIVE_INFINITY;
  #last: Beat | undefined;
  #newestItem = 0;
  #itemsSince = 0;

  start(nowMs: number, timeMs: number): void {
    this.#startMs = nowMs;
    this.#timeMs = timeMs;
  }

  itemCreated(revision: number): void {
    this.#newestItem = Math.max(this.#newestItem, revision);
    this.#itemsSince += 1;
  }

  due(nowMs: number, waiting: boolean): boolean {
    const dueAtMs = this.dueAtMs(waiting);
    return dueAtMs !== undefined && dueAtMs <= nowMs;
  }

  dueAtMs(waiting: boolean): number | undefined {
    const last = this.#last;
    if (last === undefined) return this.#startMs;
    const wanted = waiting || last.follows || this.#newestItem > last.seen;
    return wanted ? this.#lastAtMs + beatIntervalMs : undefined;
  }

  beat(nowMs: number, state: { waiting: boolean } & Pick<Beat, 'seen' | 'bases'>): Beat {
    const beat: Beat = {
      timeMs: Math.round(this.#timeMs + nowMs - this.#startMs),
      bases: state.bases,
      follows: state.waiting || this.#itemsSince >= busyItems,
      seen: state.seen,
    };
    this.#last = beat;
    this.#lastAtMs = nowMs;
    this.#itemsSince = 0;
    return beat;
  }
}
