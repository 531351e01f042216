import type { KeyEvent } from '../store/index.js';
import type { Place } from './place.js';

/** A watch that tells places what happened. */
export interface Teller {
  tell(place: Place, events: readonly KeyEvent[], revision: number): void;
}

interface News {
  readonly teller: Teller;
  readonly events: readonly KeyEvent[];
  readonly revision: number;
}

/** What was told while a join was under way. Most are alone, and miss nothing. */
export interface Missed {
  news: News[] | undefined;
}

/** The joins of a line whose places are not known yet, so that nobody tells them what happens meanwhile. */
export class JoinsUnderWay {
  readonly #joins = new Set<Missed>();

  begin(): Missed {
    const missed: Missed = { news: undefined };
    this.#joins.add(missed);
    return missed;
  }

  note(news: News): void {
    for (const missed of this.#joins) {
      missed.news ??= [];
      missed.news.push(news);
    }
  }

  /** Tells the place, if there is one now, what happened meanwhile. */
  end(missed: Missed, place: Place | undefined): void {
    this.#joins.delete(missed);
    if (place === undefined) return;
    for (const { teller, events, revision } of missed.news ?? []) teller.tell(place, events, revision);
  }
}
