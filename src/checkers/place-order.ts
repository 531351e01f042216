/**
 * The waiting line behind locks and elections, as its history shows it: one key a place, ranked by the revision that
 * created it, and the place of a grant is the oldest in the state of the revision that proved it.
 */
import type { Key } from '../store/index.js';
import { describeLife } from './evidence.js';
import type { History, Life } from './history.js';
import { broken, type InvariantId } from './sentences.js';

/** A fencing token, or a term, is its proof revision times this, plus the number of the local grant. */
const tokensPerRevision = 1_024;

/** The revision of the state that proved the hold of this token, or the win of this term. */
export function proofOf(token: number): number {
  return Math.floor(token / tokensPerRevision);
}

/** The term of a win at this revision. */
export function termWonAt(revision: number): number {
  return revision * tokensPerRevision;
}

/** All places that ever were under `prefix`, the oldest first. Nothing may write a place twice: its revision guards it. */
export function placesOf(history: History, prefix: Key, id: InvariantId): readonly Life[] {
  const places = history.lives(prefix);
  for (const place of places) {
    if (place.puts > 1) broken(id, `the place ${describeLife(place)} was written ${place.puts} times`);
  }
  return places;
}

/**
 * Answers the oldest place in the state of a revision; to be asked for revisions in ascending order. Each place is
 * passed once, so a whole history costs as much as it is long.
 */
export function oldestInTurn(places: readonly Life[]): (revision: number) => Life | undefined {
  let head = 0;
  return (revision) => {
    while ((places[head]?.to ?? Number.POSITIVE_INFINITY) <= revision) head += 1;
    const place = places[head];
    return place !== undefined && place.from <= revision ? place : undefined;
  };
}
