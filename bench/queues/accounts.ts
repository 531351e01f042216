/** What the participants wrote down, and what follows from it. */
import { percentile } from '../harness.js';

/** Something that happened to a job, in microseconds of the machine's monotonic clock. */
export interface Event {
  readonly job: number;
  readonly atUs: number;
}

/** What the consumers of one process did, or of all. */
export interface Handled {
  readonly starts: readonly Event[];
  readonly acknowledgements: readonly Event[];
}

/** The jobs `first` to `first + count - 1`. */
export interface Jobs {
  readonly first: number;
  readonly count: number;
}

export interface Account {
  readonly enqueued: number;
  /** Started once and acknowledged once. */
  readonly once: number;
  /** Neither acknowledged nor still in the queue. */
  readonly lost: number;
  /** Started or acknowledged more than once, or acknowledged and still in the queue. */
  readonly repeated: number;
  /** Handled, though nobody put them in. */
  readonly invented: number;
}

/** From what a participant answers to `stop`: how many numbers tell of starts, those, and those of acknowledgements. */
export function parseHandled([numbersOfStarts = 0, ...numbers]: readonly number[]): Handled {
  const events = (from: number, to: number) => {
    const list: Event[] = [];
    for (let index = from; index < to; index += 2) {
      list.push({ job: numbers[index] ?? Number.NaN, atUs: numbers[index + 1] ?? Number.NaN });
    }
    return list;
  };
  if (numbers.length < numbersOfStarts || numbers.length % 2 !== 0 || numbers.some(Number.isNaN)) {
    throw new Error(`a participant told of ${numbersOfStarts} numbers of starts, and gave ${numbers.length}`);
  }
  return { starts: events(0, numbersOfStarts), acknowledgements: events(numbersOfStarts, numbers.length) };
}

export function together(all: readonly Handled[]): Handled {
  return {
    starts: all.flatMap(({ starts }) => starts),
    acknowledgements: all.flatMap(({ acknowledgements }) => acknowledgements),
  };
}

/** Counts every job that was put in, whatever became of it. `left`: how many the queue still has. */
export function account(
  { first, count }: Jobs,
  { starts, acknowledgements }: Handled,
  left: number,
): Account {
  const tally = (events: readonly Event[]) => {
    const times = new Uint32Array(count);
    const strangers = new Set<number>();
    for (const { job } of events) {
      if (job >= first && job < first + count) times[job - first] = (times[job - first] ?? 0) + 1;
      else strangers.add(job);
    }
    return { times, strangers };
  };
  const [started, acknowledged] = [tally(starts), tally(acknowledgements)];
  let [once, missing, repeated] = [0, 0, 0];
  for (let index = 0; index < count; index += 1) {
    const [ofStarts = 0, ofAcknowledgements = 0] = [started.times[index], acknowledged.times[index]];
    if (ofStarts === 1 && ofAcknowledgements === 1) once += 1;
    if (ofAcknowledgements === 0) missing += 1;
    if (ofStarts > 1 || ofAcknowledgements > 1) repeated += 1;
  }
  return {
    enqueued: count,
    once,
    lost: Math.max(0, missing - left),
    repeated: repeated + Math.max(0, left - missing),
    invented: new Set([...started.strangers, ...acknowledged.strangers]).size,
  };
}

export function sumOf(accounts: readonly Account[]): Account {
  const sum = (of: (account: Account) => number) => accounts.reduce((total, one) => total + of(one), 0);
  return {
    enqueued: sum(({ enqueued }) => enqueued),
    once: sum(({ once }) => once),
    lost: sum(({ lost }) => lost),
    repeated: sum(({ repeated }) => repeated),
    invented: sum(({ invented }) => invented),
  };
}

/** Jobs that were acknowledged a second, from an instant to the last acknowledgement. */
export function ratePerSecond({ acknowledgements }: Handled, fromUs: number): number {
  return (acknowledgements.length / (latestUs(acknowledgements) - fromUs)) * 1_000_000;
}

export function earliestUs(events: readonly Event[]): number {
  return events.reduce((least, { atUs }) => Math.min(least, atUs), Number.POSITIVE_INFINITY);
}

function latestUs(events: readonly Event[]): number {
  return events.reduce((most, { atUs }) => Math.max(most, atUs), Number.NEGATIVE_INFINITY);
}

/**
 * Milliseconds from the call that put a job in to the start of its handler, at two percentiles. `asked` has the calls in the order of
 * the jobs; of them those of the first `skip` are left out. A job that never started counts as one that took forever.
 */
export function latenciesMs(
  { first, count }: Jobs,
  asked: readonly number[],
  { starts }: Handled,
  skip: number,
): { readonly p50: number; readonly p99: number } {
  const startedUs = new Map<number, number>();
  for (const { job, atUs } of starts) startedUs.set(job, Math.min(atUs, startedUs.get(job) ?? atUs));
  const latencies: number[] = [];
  for (let index = skip; index < count; index += 1) {
    const [askedUs, atUs] = [asked[index] ?? Number.NaN, startedUs.get(first + index)];
    latencies.push(atUs === undefined ? Number.POSITIVE_INFINITY : (atUs - askedUs) / 1_000);
  }
  return { p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99) };
}
