/** Whether a watch told its reader of every revision once, in order and whole, or said that there was a gap. */
import { inRange, type Key, type KeyEvent, type KeyRange } from '../store/index.js';
import { differenceOf } from './deep-equal.js';
import type { History } from './history.js';
import { broken } from './sentences.js';

/** What a reader was told: a `WatchItem` of a store, or a `HubItem` of the shared watches. */
export type WatchReport =
  | { readonly type: 'opened'; readonly revision: number }
  | { readonly type: 'events'; readonly revision: number; readonly events: readonly KeyEvent[] }
  | { readonly type: 'progress'; readonly revision: number }
  | { readonly type: 'interrupted' }
  | { readonly type: 'compacted'; readonly fromRevision: number; readonly compactRevision: number }
  | { readonly type: 'failed' };

export interface WatchCheck {
  readonly history: History;
  /** What was watched. */
  readonly range: KeyRange;
  /** Kinds of event that were left out. */
  readonly without?: readonly ('put' | 'delete')[];
  /** Where the watch was to begin; 0 or absent: from now. */
  readonly fromRevision?: number;
  /**
   * What follows a cut. `resuming`: the next revision, nothing is missed. `from-now`: a gap, up to the revision of the next
   * `opened`. `shared`: the same, and that revision never goes back. Default `resuming`.
   */
  readonly kind?: 'resuming' | 'from-now' | 'shared';
  /** Everything that the reader was told, in order. */
  readonly reports: readonly WatchReport[];
  /** The reader had time to be told of everything up to this revision, if the watch was open at the end. */
  readonly completeTo?: number;
  /** Who read it. For people. */
  readonly reader?: string;
}

/** What was there to be checked. */
export interface WatchCounts {
  readonly reports: number;
  /** Revisions that were delivered. */
  readonly revisions: number;
  readonly cuts: number;
  /** Gaps that were said and in which something was lost. */
  readonly gaps: number;
  /** Revisions that were lost in them. */
  readonly missed: number;
}

/**
 * Throws `InvariantBroken` for
 * - WATCH-4: a revision that is skipped without a gap being said, delivered twice, in parts, or otherwise than it happened;
 *   a gap that is larger than was said; anything after the last item;
 * - WATCH-3: a revision below one that was delivered before, or below one that a shared watch had opened at;
 * - WATCH-2: news before the watch was opened, at first or after a cut;
 * - WATCH-1: if `completeTo` is given, something up to there that an open watch has not delivered.
 */
export function checkWatch(options: WatchCheck): WatchCounts {
  const reading = new Reading(options);
  for (const [index, report] of options.reports.entries()) reading.take(report, index);
  if (options.completeTo !== undefined) reading.end(options.completeTo);
  return reading.counts;
}

interface Expected {
  readonly revision: number;
  readonly events: readonly KeyEvent[];
}

/** Everything that the watch was about, by revisions. */
function expectedOf({ history, range, without = [] }: WatchCheck): readonly Expected[] {
  const isAsked = ({ type, kv }: KeyEvent) => inRange(range, kv.key) && !without.includes(type);
  if (range.rangeEnd === undefined || range.rangeEnd === '') {
    const events = history.eventsOf(range.key).filter(isAsked);
    return events.map((event) => ({ revision: event.kv.modRevision, events: [event] }));
  }
  return history.entries
    .map(({ revision, events }) => ({ revision, events: events.filter(isAsked) }))
    .filter(({ events }) => events.length > 0);
}

class Reading {
  readonly #check: WatchCheck;
  readonly #expected: readonly Expected[];
  #state: 'unopened' | 'open' | 'cut' | 'ended' = 'unopened';
  /** The first revision that is not accounted for: neither delivered nor said to be lost. */
  #from: number | undefined;
  /** How many of the expected ones are below that. */
  #passed = 0;
  #delivered = 0;
  #openedAt = 0;
  #report = '';
  readonly #counts = { reports: 0, revisions: 0, cuts: 0, gaps: 0, missed: 0 };

  constructor(check: WatchCheck) {
    this.#check = check;
    this.#expected = expectedOf(check);
    if (check.fromRevision) this.#skipTo(check.fromRevision);
  }

  get counts(): WatchCounts {
    return this.#counts;
  }

  take(report: WatchReport, index: number): void {
    this.#counts.reports += 1;
    this.#report = `${this.#check.reader ?? 'the reader'} was told ${describe(report)} (report ${index})`;
    if (this.#state === 'ended') broken('WATCH-4', `${this.#report} after the last item`);
    switch (report.type) {
      case 'opened':
        this.#opened(report.revision);
        return;
      case 'events':
        this.#mustBeOpen();
        this.#events(report.events, report.revision);
        return;
      case 'progress':
        this.#mustBeOpen();
        this.#accountTo(report.revision + 1);
        return;
      case 'interrupted':
        this.#counts.cuts += 1;
        this.#state = 'cut';
        return;
      case 'compacted':
        // What is lost begins where it says so, and not before.
        this.#accountTo(report.fromRevision);
        this.#lose(report.compactRevision + 1);
        this.#state = 'ended';
        return;
      case 'failed':
        this.#state = 'ended';
        return;
    }
  }

  end(completeTo: number): void {
    if (this.#state !== 'open') return;
    const missing = this.#next(completeTo + 1);
    if (missing === undefined) return;
    const reader = this.#check.reader ?? 'the reader';
    broken(
      'WATCH-1',
      `${reader} was never told of ${describeExpected(missing)}, up to revision ${completeTo}`,
    );
  }

  #opened(revision: number): void {
    const { kind = 'resuming' } = this.#check;
    const newest = Math.max(this.#openedAt, this.#delivered);
    if (kind === 'shared' && revision < newest)
      broken('WATCH-3', `${this.#report}, after revision ${newest}`);
    const before = this.#state;
    this.#state = 'open';
    this.#openedAt = revision;
    if (this.#from === undefined) this.#skipTo(revision + 1);
    else if (kind === 'resuming') return;
    else if (before === 'cut') this.#lose(revision + 1);
    else if (before === 'open') this.#accountTo(revision + 1);
  }

  #mustBeOpen(): void {
    if (this.#state === 'open') return;
    broken(
      'WATCH-2',
      `${this.#report}, ${this.#state === 'cut' ? 'after a cut' : 'and'} before the watch was opened`,
    );
  }

  #events(events: readonly KeyEvent[], last: number): void {
    if (events.at(-1)?.kv.modRevision !== last)
      broken('WATCH-4', `${this.#report}, which is not its last event's`);
    for (let start = 0; start < events.length; ) {
      const revision = events[start]?.kv.modRevision ?? 0;
      let end = start;
      while (events[end]?.kv.modRevision === revision) end += 1;
      this.#revision(revision, events.slice(start, end));
      start = end;
    }
  }

  #revision(revision: number, events: readonly KeyEvent[]): void {
    if (revision < this.#delivered)
      broken('WATCH-3', `${this.#report}, with revision ${revision} after ${this.#delivered}`);
    if (revision === this.#delivered) broken('WATCH-4', `${this.#report}, with revision ${revision} again`);
    if (revision < (this.#from ?? 0)) {
      broken('WATCH-4', `${this.#report}, with revision ${revision}, and it begins at ${this.#from}`);
    }
    this.#accountTo(revision);
    const expected = this.#next(revision + 1);
    if (expected === undefined)
      broken('WATCH-4', `${this.#report}, and nothing of it happened at revision ${revision}`);
    this.#mustBeWhole(expected, events);
    this.#delivered = revision;
    this.#counts.revisions += 1;
    this.#skipTo(revision + 1);
  }

  #mustBeWhole(expected: Expected, events: readonly KeyEvent[]): void {
    const found = new Map(events.map((event) => [event.kv.key, event]));
    const happened = new Map(expected.events.map((event) => [event.kv.key, event]));
    const story = `${this.#report}, and of revision ${expected.revision}`;
    for (const key of happened.keys()) if (!found.has(key)) broken('WATCH-4', `${story} not of ${key}`);
    if (events.length !== expected.events.length) {
      const more = events.map(({ kv }) => kv.key).filter((key) => !happened.has(key));
      broken('WATCH-4', `${story} of ${more.join(', ') || 'one key twice'}, which is too much`);
    }
    for (const event of events) {
      const { type, kv, prevKv } = event;
      const truth = happened.get(kv.key);
      const before = this.#before(kv.key, expected.revision, prevKv);
      const difference = differenceOf(
        { type, kv, prevKv },
        { type: truth?.type, kv: truth?.kv, prevKv: before },
        kv.key,
      );
      if (difference !== undefined) broken('WATCH-4', `${story} otherwise than it happened: ${difference}`);
    }
  }

  /** The key before the event, if it came with it: compaction may have taken it. */
  #before(key: Key, revision: number, prevKv: unknown) {
    return prevKv === undefined ? undefined : this.#check.history.valueAt(key, revision - 1);
  }

  /** The first of the expected ones that is not accounted for, if it is below `revision`. */
  #next(revision: number): Expected | undefined {
    const next = this.#expected[this.#passed];
    return next !== undefined && next.revision < revision ? next : undefined;
  }

  /** Everything below `revision` must have been accounted for. */
  #accountTo(revision: number): void {
    const missing = this.#next(revision);
    if (missing !== undefined && this.#from !== undefined) {
      broken('WATCH-4', `${this.#report}, and was never told of ${describeExpected(missing)}`);
    }
    this.#skipTo(revision);
  }

  /** What is below `revision` is said to be lost. */
  #lose(revision: number): void {
    const before = this.#passed;
    this.#skipTo(revision);
    const missed = this.#passed - before;
    if (missed > 0) this.#counts.gaps += 1;
    this.#counts.missed += missed;
  }

  #skipTo(revision: number): void {
    this.#from = Math.max(this.#from ?? 0, revision);
    while (this.#next(this.#from) !== undefined) this.#passed += 1;
  }
}

function describe(report: WatchReport): string {
  switch (report.type) {
    case 'opened':
    case 'progress':
      return `${report.type} at revision ${report.revision}`;
    case 'events':
      return `${report.events.length} events up to revision ${report.revision}`;
    case 'compacted':
      return `of a gap from revision ${report.fromRevision} to ${report.compactRevision}`;
    default:
      return report.type;
  }
}

function describeExpected({ revision, events }: Expected): string {
  return `revision ${revision} (${events.map(({ type, kv }) => `${type} ${kv.key}`).join(', ')})`;
}
