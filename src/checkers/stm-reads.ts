/** What one run of a transaction saw, held against the states of a store. */
import { type Key, type KeyRange, textOf } from '../store/index.js';
import type { History } from './history.js';

export interface SeenRead {
  readonly key: Key;
  /** As text; undefined if it was not there. */
  readonly value: string | undefined;
}

export interface SeenRangeRead {
  readonly range: Required<KeyRange>;
  readonly limit?: number | undefined;
  readonly entries: readonly SeenRead[];
}

/** One run of the function of a transaction, and what it read of the store; what it read of its own writes is left out. */
export interface SeenRun {
  readonly process: string;
  readonly isolation: 'serializable-snapshot' | 'serializable' | 'repeatable-reads' | 'read-committed';
  readonly reads: readonly SeenRead[];
  readonly ranges: readonly SeenRangeRead[];
}

/** What of it is not as it was at this revision; undefined if all is. With `whole`, ranges must have had just those keys. */
export function differsAt(
  history: History,
  { reads, ranges }: Pick<SeenRun, 'reads' | 'ranges'>,
  revision: number,
  whole: boolean,
): string | undefined {
  const found = whole ? [] : ranges.flatMap(({ entries }) => entries);
  for (const { key, value } of [...reads, ...found]) {
    const had = valueAt(history, key, revision);
    if (had !== value) return `${key} was ${shown(had)}, and not ${shown(value)}`;
  }
  for (const { range, limit = Number.POSITIVE_INFINITY, entries } of whole ? ranges : []) {
    const had = history.rangeAt(range, revision).slice(0, limit);
    const isSame =
      had.length === entries.length &&
      had.every((kv, at) => kv.key === entries[at]?.key && textOf(kv.value) === entries[at]?.value);
    if (isSame) continue;
    return `the range had ${listed(had.map((kv) => ({ key: kv.key, value: textOf(kv.value) })))}, and not ${listed(entries)}`;
  }
  return undefined;
}

/** Whether any state of the store was as it was seen. */
export function isSeenIn(history: History, run: SeenRun): boolean {
  const revisions = new Set([0]);
  const note = (key: Key) => {
    for (const { kv } of history.eventsOf(key)) revisions.add(kv.modRevision);
  };
  for (const { key } of run.reads) note(key);
  for (const { range } of run.ranges) for (const key of history.keysIn(range)) note(key);
  return [...revisions].some((revision) => differsAt(history, run, revision, true) === undefined);
}

export function describeRun({ process, isolation, reads, ranges }: SeenRun): string {
  const seen = [
    ...reads.map(({ key, value }) => `${key} = ${shown(value)}`),
    ...ranges.map(({ range, entries }) => `${range.key}… = ${listed(entries)}`),
  ];
  return `a transaction of ${process} (${isolation}) saw ${seen.join(', ') || 'nothing'}`;
}

function valueAt(history: History, key: Key, revision: number): string | undefined {
  const kv = history.valueAt(key, revision);
  return kv && textOf(kv.value);
}

function listed(entries: readonly SeenRead[]): string {
  return `{${entries.map(({ key, value }) => `${key}: ${shown(value)}`).join(', ')}}`;
}

function shown(value: string | undefined): string {
  return value === undefined ? 'not there' : JSON.stringify(value);
}
