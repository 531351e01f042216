/** Whether the readers of a configuration were given what stood in the store, of one revision each, in order and in time. */
import { type ConfigState, canonical, type ReaderStandpoint } from './config-state.js';
import { milliseconds } from './evidence.js';
import { broken } from './sentences.js';

/** What a reader was given at one moment. */
export interface GivenConfig {
  readonly revision: number;
  /** By document; undefined: there was none. */
  readonly values: Readonly<Record<string, unknown>>;
}

/** One life of a reader, and what it was given, in order. */
export interface ToldConfig extends ReaderStandpoint {
  readonly process: string;
  readonly given: readonly GivenConfig[];
  /** What it told of itself at moments of true time. */
  readonly looks: readonly {
    readonly atMs: number;
    readonly revision: number;
    readonly stalenessMs: number;
  }[];
  /** Calls of sync that resolved. */
  readonly syncs: readonly { readonly calledAtMs: number; readonly revision: number }[];
}

export interface ConfigReadersCheck {
  readonly state: ConfigState;
  readonly readers: readonly ToldConfig[];
  /** What the schema of the documents says. */
  readonly isValid: (document: string, value: unknown) => boolean;
  /** Ages that readers count may be too small by this fraction: their clocks. Default 0. */
  readonly clockRateError?: number;
}

export interface ConfigReadersCounts {
  readonly given: number;
  /** Of those, with a rollout taken. */
  readonly taken: number;
}

/** Clocks show fractions of a millisecond. */
const toleranceMs = 1;

/** CONFIG-1 to CONFIG-4 and CONFIG-9. */
export function checkConfigReaders(options: ConfigReadersCheck): ConfigReadersCounts {
  let [given, taken] = [0, 0];
  for (const reader of options.readers) {
    let before = 0;
    for (const one of reader.given) {
      given += 1;
      if (one.revision < before) {
        broken('CONFIG-2', `${reader.process} was given revision ${one.revision} after ${before}`);
      }
      before = one.revision;
      if (checkGiven(options, reader, one)) taken += 1;
    }
    checkKept(options, reader);
    checkAges(options, reader);
  }
  return { given, taken };
}

/** CONFIG-1, CONFIG-3 and CONFIG-4, of one revision. Answers whether it took a rollout. */
function checkGiven(
  { state, isValid }: ConfigReadersCheck,
  reader: ToldConfig,
  { revision, values }: GivenConfig,
): boolean {
  let isTaken = false;
  for (const [document, value] of Object.entries(values)) {
    const what = `${reader.process} was given ${document} as ${canonical(value)} of revision ${revision}`;
    if (value !== undefined && !isValid(document, value)) {
      broken('CONFIG-3', `${what}, which its schema refuses`);
    }
    const takes = state.isTakenAt(document, revision, reader);
    isTaken ||= takes;
    const expected = state.givenAt(document, revision, reader);
    if (canonical(value) === canonical(expected)) continue;
    const other = state.givenAt(document, revision, reader, !takes);
    if (canonical(value) === canonical(other)) {
      broken('CONFIG-4', `${what}, ${takes ? 'though it takes the rollout' : 'and takes no rollout'}`);
    }
    broken('CONFIG-1', `${what}, which is ${canonical(expected)} there`);
  }
  return isTaken;
}

/** CONFIG-4: once taken, a rollout is kept for as long as it stands. */
function checkKept({ state }: ConfigReadersCheck, reader: ToldConfig): void {
  const takenBy = new Map<string, number>();
  for (const { revision, values } of reader.given) {
    for (const document of Object.keys(values)) {
      const rollout = state.rolloutAt(document, revision);
      if (rollout === undefined) continue;
      const name = `${document} ${rollout.id}`;
      if (state.isTakenAt(document, revision, reader)) takenBy.set(name, revision);
      else if (takenBy.has(name)) {
        broken(
          'CONFIG-4',
          `${reader.process} took the rollout ${rollout.id} of ${document} at revision ${takenBy.get(name)}, and at ${revision} it does not`,
        );
      }
    }
  }
}

/** CONFIG-9. */
function checkAges({ state, clockRateError = 0 }: ConfigReadersCheck, reader: ToldConfig): void {
  for (const { atMs, revision, stalenessMs } of reader.looks) {
    if (!Number.isFinite(stalenessMs)) continue;
    const asOfMs = atMs - stalenessMs * (1 + 2 * clockRateError) - toleranceMs;
    const missed = newestBy(state, asOfMs);
    if (missed.revision <= revision) continue;
    broken(
      'CONFIG-9',
      `at ${milliseconds(atMs)} ${reader.process} was given revision ${revision}, ${milliseconds(stalenessMs)} old at most, and revision ${missed.revision} was there since ${milliseconds(missed.atMs)}`,
    );
  }
  for (const { calledAtMs, revision } of reader.syncs) {
    const missed = newestBy(state, calledAtMs - toleranceMs);
    if (missed.revision <= revision) continue;
    broken(
      'CONFIG-9',
      `a sync that ${reader.process} called at ${milliseconds(calledAtMs)} gave revision ${revision}, and ${missed.revision} was there since ${milliseconds(missed.atMs)}`,
    );
  }
}

/** The newest change of what readers follow that was there at this time. */
function newestBy({ history, keys }: ConfigState, ms: number): { revision: number; atMs: number } {
  const found = history
    .eventsOf(keys.stamp)
    .findLast(({ kv }) => (history.timeOf(kv.modRevision) ?? 0) <= ms);
  const revision = found?.kv.modRevision ?? 0;
  return { revision, atMs: history.timeOf(revision) ?? 0 };
}
