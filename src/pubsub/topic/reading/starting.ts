import { invalidArgument, QuorateError, shown } from '../../../errors.js';
import type { Client } from '../../../session/index.js';
import type { ListedFrame } from '../frame-name.js';
import type { TopicKeys } from '../keys.js';
import { beginning, endOf, isAfter, type Position } from '../position.js';
import { retrying } from '../retrying.js';
import { scanLog } from './log-scan.js';
import type { StartingPlace } from './partition-reader.js';
import { type Removal, removalIn } from './removal.js';

/** Where to begin in a topic. */
export type From =
  /** With the oldest message that is there. */
  | 'start'
  /** With what is published from now on. */
  | 'now'
  /** With this revision. What of it and of later ones is gone by now is told as a gap. */
  | { readonly revision: number }
  /** With the first message that was published then or later, by the clocks of publishers of which none counts as earlier than one before it. Milliseconds since the epoch. If nothing from before that time is left, and something was removed, a gap without a number is told. */
  | { readonly time: number | Date };

const readTimeoutMs = 10_000;

/** Refuses with `invalid-argument` what is no {@link From}. */
export function checkFrom(from: unknown): asserts from is From {
  if (from === 'start' || from === 'now') return;
  if (typeof from === 'object' && from !== null) {
    const { revision, time } = from as { revision?: unknown; time?: unknown };
    if (time === undefined && Number.isSafeInteger(revision) && (revision as number) >= 0) return;
    const atMs = time instanceof Date ? time.getTime() : time;
    if (revision === undefined && typeof atMs === 'number' && Number.isFinite(atMs)) return;
  }
  throw invalidArgument(
    `from is ${shown(from)}`,
    "'start', 'now', { revision } with a whole number from 0, or { time } with a Date or milliseconds",
  );
}

export interface Starting {
  readonly client: Client;
  readonly keys: TopicKeys;
  readonly partitions: readonly number[];
  readonly signal: AbortSignal;
}

/**
 * The place in each of the partitions, all as of one revision, and how many messages there were before it, so that a gap can be
 * counted. Cost: one request for `'start'`; for all else the names of all frames that are there, see `scanLog`.
 * Errors: `future-revision`; as the store's.
 */
export function startingPlaces(starting: Starting, from: From): Promise<readonly StartingPlace[]> {
  return retrying(starting.client, starting.signal, () => placesOf(starting, from));
}

async function placesOf(starting: Starting, from: From): Promise<readonly StartingPlace[]> {
  const { client, keys, partitions, signal } = starting;
  const options = { timeoutMs: readTimeoutMs, signal };
  const { kvs, revision } = await client.store.range(keys.removals, options);
  const removals = partitions.map((partition) =>
    removalIn(kvs.find(({ key }) => key === keys.removal(partition))),
  );
  if (from === 'start')
    return removals.map(({ upTo, messages }) => ({ after: endOf(upTo), count: messages }));
  if (typeof from === 'object' && 'revision' in from && from.revision > revision + 1) {
    throw new QuorateError(
      'future-revision',
      `revision ${from.revision} is not there yet; now is ${revision}`,
      {
        details: { revision: from.revision, now: revision },
      },
    );
  }
  const counts = removals.map((removal) => new Count(removal, revision, from));
  await scanLog({ client, keys, partitions, revision, since: 0, signal }, (partition, frames) => {
    counts[partitions.indexOf(partition)]?.add(frames);
  });
  return counts.map((count) => count.place());
}

/** Counts what comes before a place, as the frames of a partition are shown in order. */
class Count {
  readonly #removal: Removal;
  readonly #revision: number;
  readonly #from: Exclude<From, 'start'>;
  #messages: number;
  #latestMs = 0;
  /** Of a place that a time stands for: the last revision before it. */
  #before: number;
  #isOver = false;

  constructor(removal: Removal, revision: number, from: Exclude<From, 'start'>) {
    this.#removal = removal;
    this.#revision = revision;
    this.#from = from;
    this.#messages = removal.messages;
    this.#before = removal.upTo;
  }

  add(frames: readonly ListedFrame[]): void {
    for (const frame of frames) {
      this.#latestMs = Math.max(this.#latestMs, frame.publishedAtMs);
      this.#isOver ||= !this.#isBefore(frame.revision);
      if (this.#isOver) return;
      this.#before = frame.revision;
      this.#messages += frame.messages;
    }
  }

  place(): StartingPlace {
    const { upTo } = this.#removal;
    if (upTo > 0 && this.#before === upTo && typeof this.#from === 'object' && 'time' in this.#from) {
      // Nothing is left from before that time, so some of what is gone may be of later; how much, nobody knows.
      return { after: beginning, count: undefined };
    }
    const after = this.#after();
    // What lies before a place that is gone cannot be counted any more, unless it is the very beginning.
    const isKnown = after.revision === 0 || !isAfter(endOf(upTo), after);
    return { after, count: after.revision === 0 ? 0 : isKnown ? this.#messages : undefined };
  }

  #isBefore(revision: number): boolean {
    const from = this.#from;
    if (from === 'now') return true;
    if ('revision' in from) return revision < from.revision;
    return this.#latestMs < Number(from.time);
  }

  #after(): Position {
    const from = this.#from;
    if (from === 'now') return endOf(this.#revision);
    if ('revision' in from) return endOf(Math.max(0, from.revision - 1));
    return endOf(this.#before);
  }
}
