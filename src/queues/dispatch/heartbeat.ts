import type { Beat } from '../records/index.js';

/** How often a dispatcher shows that it lives, while there is something to show it for. */
export const beatIntervalMs = 300;
/** With so many new items between two beats, the next candidate is told to count beats instead of watching items. */
const busyItems = 10;

/**
 * When the dispatcher beats. A beat rides on a write that is due anyway if it can. None is sent for a queue where
 * nothing waits and nothing comes in: the last one says so, and the next candidate then watches for new items, which
 * the dispatcher answers with a beat whose `seen` covers them. While only timers wait, or schedules are to tick, it beats more rarely, and says
 * how rarely.
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

  due(nowMs: number, waiting: boolean, pulseMs?: number): boolean {
    const dueAtMs = this.dueAtMs(waiting, pulseMs);
    return dueAtMs !== undefined && dueAtMs <= nowMs;
  }

  /** `pulseMs`: how often to beat in any case. */
  dueAtMs(waiting: boolean, pulseMs?: number): number | undefined {
    const last = this.#last;
    if (last === undefined) return this.#startMs;
    const wanted = waiting || last.follows || this.#newestItem > last.seen;
    // As long as none is announced, silence tells nobody anything.
    const unannounced = pulseMs !== undefined && last.pulseMs === undefined;
    if (wanted || unannounced) return this.#lastAtMs + beatIntervalMs;
    // What was announced is kept, if only to say that no more follows.
    const announced = last.pulseMs ?? Number.POSITIVE_INFINITY;
    const intervalMs = Math.min(announced, pulseMs ?? Number.POSITIVE_INFINITY);
    return intervalMs === Number.POSITIVE_INFINITY ? undefined : this.#lastAtMs + intervalMs;
  }

  beat(nowMs: number, state: { waiting: boolean } & Pick<Beat, 'seen' | 'bases' | 'pulseMs'>): Beat {
    const beat: Beat = {
      timeMs: Math.floor(this.#timeMs + (nowMs - this.#startMs)),
      bases: state.bases,
      follows: state.waiting || this.#itemsSince >= busyItems,
      seen: state.seen,
      ...(state.pulseMs === undefined ? {} : { pulseMs: state.pulseMs }),
    };
    this.#last = beat;
    this.#lastAtMs = nowMs;
    this.#itemsSince = 0;
    return beat;
  }
}
