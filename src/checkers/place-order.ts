/**
 * The waiting line behind locks and elections, as its history shows it: one key a place, ranked by the revision that
 * created it, and the place of a grant is the oldest in the state of the revision that proved it.
 */
import { decodePlace } from '../line/place-record.js';
import type { Key, KeyEvent } from '../store/index.js';
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

/**
 * All places that ever were under `prefix`, the oldest first. What was written a second time was handed over, or moved to
 * another lease by who has it: its revision guards it, so nothing else may write it.
 */
export function placesOf(history: History, prefix: Key, id: InvariantId): readonly Life[] {
  const places = history.lives(prefix);
  for (const place of places) {
    const [first, ...others] = place.puts > 1 ? putsOf(history, place) : [];
    let before = first;
    for (const put of others) {
      if (before !== undefined && !isSameHolder(before, put)) checkHandOver(history, place, put, id);
      before = put;
    }
  }
  return places;
}

/** As whose place it stood at a revision: the part of its life between two hand-overs. The whole of it, for most. */
export function tenureAt(history: History, place: Life, revision: number): Life {
  if (place.puts <= 1) return place;
  let tenure = place;
  let before: KeyEvent | undefined;
  for (const put of putsOf(history, place)) {
    const { modRevision: from, lease } = put.kv;
    if (before !== undefined && !isSameHolder(before, put)) {
      if (from > revision) return cut(history, tenure, from);
      tenure = { ...place, from, lease };
    } else tenure = { ...tenure, lease };
    before = put;
  }
  return tenure;
}

/** The parts of its life between hand-overs, each with the key of the place that it was handed to, if it was. */
export function tenuresOf(
  history: History,
  place: Life,
): readonly { readonly tenure: Life; readonly handedTo: Key | undefined }[] {
  const puts = place.puts <= 1 ? [] : putsOf(history, place);
  const starts = puts.filter((put, index) => {
    const before = puts[index - 1];
    return before === undefined || !isSameHolder(before, put);
  });
  if (starts.length <= 1) return [{ tenure: place, handedTo: undefined }];
  return starts.map((put) => ({
    tenure: tenureAt(history, place, put.kv.modRevision),
    handedTo: decodePlace(put.kv)?.record.handedTo?.key,
  }));
}

/** How many of them were put on another lease by who had them. */
export function countSecured(history: History, places: readonly Life[]): number {
  return places.filter((place) => {
    const puts = place.puts <= 1 ? [] : putsOf(history, place);
    return puts.some((put, index) => {
      const before = puts[index - 1];
      return before !== undefined && before.kv.lease !== put.kv.lease && isSameHolder(before, put);
    });
  }).length;
}

function cut(history: History, tenure: Life, to: number): Life {
  const toMs = history.timeOf(to);
  return toMs === undefined ? { ...tenure, to } : { ...tenure, to, toMs };
}

function putsOf(history: History, { key, from, to }: Life): readonly KeyEvent[] {
  const within = ({ kv }: KeyEvent) => from <= kv.modRevision && kv.modRevision < to;
  return history.eventsOf(key).filter((event) => event.type === 'put' && within(event));
}

function isSameHolder(before: KeyEvent, put: KeyEvent): boolean {
  const [one, other] = [decodePlace(before.kv)?.record, decodePlace(put.kv)?.record];
  return one !== undefined && one.session === other?.session && one.handedTo?.key === other.handedTo?.key;
}

/** Who gets it stood in the line up to that very revision, and its key went in it. */
function checkHandOver(history: History, place: Life, { kv }: KeyEvent, id: InvariantId): void {
  const { handedTo } = decodePlace(kv)?.record ?? {};
  const story = `the place ${describeLife(place)} was written again at revision ${kv.modRevision}`;
  if (handedTo === undefined) broken(id, story);
  const waited = history.livesOf(handedTo.key).find(({ from }) => from === handedTo.revision);
  if (waited?.to === kv.modRevision && waited.lease === kv.lease) return;
  const what = waited === undefined ? 'which never stood' : describeLife(waited);
  broken('LOCK-10', `${story}, to hand it to ${handedTo.key}, ${what}`);
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
