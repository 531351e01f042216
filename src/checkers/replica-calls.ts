/** Writes of a replicated map, against the history of its entries. */
import { type Key, prefixRange, textOf } from '../store/index.js';
import type { History } from './history.js';
import { broken } from './sentences.js';

/** A write of one entry, or null, its deletion. */
export interface MapCallWrite {
  readonly name: string;
  /** No other call was to write it, nor this one under another name. */
  readonly text: string | null;
}

/** An entry as the write found it; revision 0: none. */
export interface MapCallRead {
  readonly name: string;
  readonly revision: number;
}

export interface MapCall {
  readonly process: string;
  readonly do: 'set' | 'delete' | 'compare-and-set' | 'compare-and-delete' | 'update';
  readonly writes: readonly MapCallWrite[];
  /** What it was made from, or, of one that was refused, what it was told to be there. */
  readonly reads: readonly MapCallRead[];
  /**
   * - `done`: it answered, and as one that took effect. Of a deletion: there was something.
   * - `refused`: it answered that the entry was not as expected, or not there.
   * - `not-applied`, `unknown`: it failed with that outcome. Or it never ended.
   */
  readonly outcome: 'done' | 'refused' | 'not-applied' | 'unknown';
  /** Of its write. */
  readonly revision?: number;
  /** The replica was said to show it, and stood at this revision. */
  readonly shownAt?: number;
  readonly beganAtMs: number;
  /** Absent if it never ended. */
  readonly endedAtMs?: number;
}

export interface MapCallsCheck {
  readonly history: History;
  readonly entries: Key;
  readonly calls: readonly MapCall[];
  readonly isForeign: (text: string) => boolean;
}

/**
 * Throws `InvariantBroken` for REPLICA-4: a write that was applied twice, in part, at another revision than was told, or not as was
 * told; one that nobody asked for; one that was said to show, and did not. And for REPLICA-5: a write that replaced another state than the
 * one that it was made from, an answer that was not so within its call. Answers how many writes were never told.
 */
export function checkMapCalls(options: MapCallsCheck): number {
  const { history, calls } = options;
  const applied = appliedBy(options);
  let untold = 0;
  for (const call of calls) {
    const { revision, outcome, shownAt = Number.POSITIVE_INFINITY } = call;
    const at = applied.get(call);
    if (at !== undefined && (outcome === 'refused' || outcome === 'not-applied')) {
      broken('REPLICA-4', `${describe(call)} was told to be ${outcome}, and was applied at revision ${at}`);
    }
    if (at !== undefined && outcome === 'unknown') untold += 1;
    if (outcome === 'refused') mustHaveStood(options, call);
    if (outcome !== 'done') continue;
    if (call.writes.length === 0) {
      mustHaveStood(options, call);
      continue;
    }
    if (at !== undefined && at !== revision) {
      broken('REPLICA-4', `${describe(call)} was told revision ${revision}, and was applied at ${at}`);
    }
    mustBeWhole(options, call, revision ?? 0);
    if (shownAt < (revision ?? 0)) {
      broken('REPLICA-4', `${describe(call)} was said to show, by a replica that stood at ${shownAt}`);
    }
    for (const read of call.reads) {
      const found = history.valueAt(options.entries + read.name, (revision ?? 0) - 1)?.modRevision ?? 0;
      if (found === read.revision) continue;
      broken(
        'REPLICA-5',
        `${describe(call)} was made from ${read.name} of ${read.revision}, and found ${found}`,
      );
    }
  }
  return untold;
}

/** At which revision each call was applied, as far as it put something. */
function appliedBy({ history, entries, calls, isForeign }: MapCallsCheck): ReadonlyMap<MapCall, number> {
  const byText = new Map(
    calls.flatMap((call) =>
      call.writes.flatMap(({ name, text }) => (text === null ? [] : [[text, { call, name }]])),
    ),
  );
  const applied = new Map<MapCall, number>();
  for (const key of history.keysIn(prefixRange(entries))) {
    for (const { type, kv } of history.eventsOf(key)) {
      const text = textOf(kv.value);
      if (type === 'delete' || isForeign(text)) continue;
      const what = `${text} was put at revision ${kv.modRevision}`;
      const asked = byText.get(text);
      if (asked === undefined || entries + asked.name !== key) {
        return broken('REPLICA-4', `${what} under ${key}, and nobody asked for it`);
      }
      const before = applied.get(asked.call);
      if (
        before !== undefined &&
        (before !== kv.modRevision || history.eventsOf(key).filter(isOf(text)).length > 1)
      ) {
        broken('REPLICA-4', `${what}, and ${describe(asked.call)} had been applied at ${before}`);
      }
      applied.set(asked.call, kv.modRevision);
    }
  }
  return applied;
}

function isOf(text: string) {
  return ({ type, kv }: { type: string; kv: { value: Uint8Array } }) =>
    type === 'put' && textOf(kv.value) === text;
}

/** All that it was to write is there at its revision. */
function mustBeWhole({ history, entries }: MapCallsCheck, call: MapCall, revision: number): void {
  for (const { name, text } of call.writes) {
    const kv = history.valueAt(entries + name, revision);
    const isSo = text === null ? kv === undefined : kv?.modRevision === revision && textOf(kv.value) === text;
    if (isSo) continue;
    const there = kv === undefined ? 'nothing' : textOf(kv.value);
    broken('REPLICA-4', `${describe(call)} was told revision ${revision}, and ${name} was ${there} then`);
  }
}

/** REPLICA-5: what it read was so, all of it at one moment between its beginning and its end. */
function mustHaveStood(check: MapCallsCheck, call: MapCall): void {
  const { beganAtMs, endedAtMs = Number.POSITIVE_INFINITY } = call;
  if (stoodTogether(check, call.reads, beganAtMs, endedAtMs)) return;
  const found = call.reads.map(({ name, revision }) => `${name} of ${revision}`);
  broken('REPLICA-5', `${describe(call)} found ${found.join(', ')}, which was so at no moment of it`);
}

function stoodTogether(
  check: MapCallsCheck,
  [first, ...rest]: readonly MapCallRead[],
  fromMs: number,
  toMs: number,
): boolean {
  if (fromMs > toMs) return false;
  if (first === undefined) return true;
  return spansOf(check, first.name)
    .filter(({ revision }) => revision === first.revision)
    .some((span) => stoodTogether(check, rest, Math.max(fromMs, span.fromMs), Math.min(toMs, span.toMs)));
}

/** How long each state of an entry stood; revision 0: it was not there. */
function spansOf({ history, entries }: MapCallsCheck, name: string) {
  const events = history.eventsOf(entries + name);
  const timeOf = (index: number) => {
    const event = events[index];
    return event === undefined
      ? Number.POSITIVE_INFINITY
      : (history.timeOf(event.kv.modRevision) ?? Number.NEGATIVE_INFINITY);
  };
  const before = { revision: 0, fromMs: Number.NEGATIVE_INFINITY, toMs: timeOf(0) };
  const spans = events.map(({ type, kv }, index) => ({
    revision: type === 'put' ? kv.modRevision : 0,
    fromMs: timeOf(index),
    toMs: timeOf(index + 1),
  }));
  return [before, ...spans];
}

function describe({ process, do: what, writes }: MapCall): string {
  const each = writes.map(({ name, text }) => `${name} := ${text ?? 'nothing'}`);
  return `${process}'s ${what}${each.length === 0 ? '' : ` of ${each.join(', ')}`}`;
}
