/** Whether an atomic value was one: what its calls answered, and what its watchers were told, against the history of its key. */
import { type Compare, type Key, type KeyEvent, textOf } from '../store/index.js';
import { milliseconds } from './evidence.js';
import type { History } from './history.js';
import { checkLinearizable, type Operation } from './linearizability.js';
import { type RegisterCall, type RegisterReply, registerModel } from './models.js';
import { broken } from './sentences.js';
import { checkChanges, checkViews, type ValueReader, type ValueWatcher } from './value-watchers.js';

/** A value that somebody saw: its text, and the revision of its write. */
export interface SeenValue {
  readonly revision: number;
  readonly text: string;
}

export interface ValueCall {
  readonly process: string;
  readonly do: 'get' | 'set' | 'update' | 'compare-and-set' | 'delete' | 'compare-and-delete';
  /** What it was to write, which no other call was to. Absent where it writes nothing. */
  readonly text?: string;
  /**
   * - `done`: it answered, and as one that took effect.
   * - `refused`: it answered that the value was not as expected.
   * - `not-applied`, `unknown`: it failed with that outcome. Or it never ended.
   */
  readonly outcome: 'done' | 'refused' | 'not-applied' | 'unknown';
  /** Of its write, if it was told. */
  readonly revision?: number;
  /** What it found: of a read, of a refusal, or of what an update or a comparison that succeeded was made from. null: nothing. */
  readonly found?: SeenValue | null;
  /** Of a deletion that was done: whether there was something. */
  readonly wasThere?: boolean;
  /** Under what it was to write. */
  readonly guard?: Compare;
  readonly beganAtMs: number;
  /** Absent if it never ended. */
  readonly endedAtMs?: number;
}

export interface AtomicValueCheck {
  readonly history: History;
  readonly key: Key;
  readonly calls: readonly ValueCall[];
  readonly watchers?: readonly ValueWatcher[];
  readonly readers?: readonly ValueReader[];
  /** Steps that the search for an order of the calls may take. Default 500,000. */
  readonly budget?: number;
}

export interface AtomicValueCounts {
  readonly writes: number;
  /** Writes whose callers were never told. */
  readonly untold: number;
  readonly views: number;
  readonly changes: number;
  readonly gaps: number;
  /** The search for an order ran out of budget: the rest was checked all the same. */
  readonly isUnsearched: boolean;
}

/**
 * Throws `InvariantBroken` for
 * - VALUE-1: an answer that was not so at any moment of its call, or a set of calls that no order explains;
 * - VALUE-2: a write that was applied twice, though its caller was told that it was not, or not at all though it was told so; and
 *   one that nobody asked for;
 * - VALUE-3: a write that replaced another state than the one that it was made from;
 * - VALUE-4, VALUE-5: see `checkViews` and `checkChanges`;
 * - VALUE-6: a write under a guard that had ended.
 */
export function checkAtomicValue(options: AtomicValueCheck): AtomicValueCounts {
  const { history, key, calls, watchers = [], readers = [] } = options;
  const events = history.eventsOf(key);
  const untold = checkWrites(options, events);
  for (const call of calls) checkAnswer(history, key, call);
  const verdict = search(options);
  const views = watchers.reduce((sum, watcher) => sum + checkViews(history, key, watcher), 0);
  const told = readers.map((reader) => checkChanges(history, key, reader));
  return {
    ...{ writes: events.filter(({ type }) => type === 'put').length, untold, views },
    changes: told.reduce((sum, { changes }) => sum + changes, 0),
    gaps: told.reduce((sum, { gaps }) => sum + gaps, 0),
    isUnsearched: verdict === 'out-of-budget',
  };
}

/** VALUE-2, VALUE-3 and VALUE-6, write by write. Answers how many were never told. */
function checkWrites({ history, key, calls }: AtomicValueCheck, events: readonly KeyEvent[]): number {
  const byText = new Map(calls.flatMap((call) => (call.text === undefined ? [] : [[call.text, call]])));
  const applied = new Map<ValueCall, number>();
  let untold = 0;
  for (const { type, kv } of events) {
    if (type === 'delete') continue;
    const text = textOf(kv.value);
    const call = byText.get(text);
    const what = `${text} was put at revision ${kv.modRevision}`;
    if (call === undefined) return broken('VALUE-2', `${what}, and nobody asked for it`);
    const before = applied.get(call);
    if (before !== undefined) broken('VALUE-2', `${what}, and had been at revision ${before}`);
    applied.set(call, kv.modRevision);
    if (call.outcome === 'refused' || call.outcome === 'not-applied') {
      broken('VALUE-2', `${what}, and ${call.process} was told that it was ${call.outcome}`);
    }
    if (call.outcome === 'unknown') untold += 1;
    checkGuarded(history, call, kv.modRevision);
  }
  for (const call of calls) {
    if (call.outcome !== 'done' || call.text === undefined) continue;
    const revision = applied.get(call);
    if (revision !== call.revision) {
      broken(
        'VALUE-2',
        `${describe(call)} was told revision ${call.revision}, and it was put at ${revision}`,
      );
    }
    checkReplaced(history, key, call, revision ?? 0);
  }
  return untold;
}

function checkReplaced(history: History, key: Key, call: ValueCall, revision: number): void {
  if (call.found === undefined) return;
  const replaced = history.valueAt(key, revision - 1)?.modRevision ?? 0;
  const madeFrom = call.found?.revision ?? 0;
  if (replaced === madeFrom) return;
  broken(
    'VALUE-3',
    `${describe(call)} was made from revision ${madeFrom}, and replaced revision ${replaced}`,
  );
}

function checkGuarded(history: History, call: ValueCall, revision: number): void {
  const { guard } = call;
  if (guard === undefined) return;
  const kv = history.valueAt(guard.key, revision - 1);
  const stood = guard.target === 'create' ? kv?.createRevision : kv?.modRevision;
  if ((stood ?? 0) === guard.operand) return;
  const what = `${describe(call)} was put at revision ${revision} under ${guard.key} of ${String(guard.operand)}`;
  broken('VALUE-6', `${what}, which was ${stood === undefined ? 'gone' : `of ${stood}`} by then`);
}

/** VALUE-1, of one call: what it tells was so at a moment within it. */
function checkAnswer(history: History, key: Key, call: ValueCall): void {
  const { outcome, revision, found, beganAtMs, endedAtMs = Number.POSITIVE_INFINITY } = call;
  if (outcome === 'done' && revision !== undefined) {
    const atMs = history.timeOf(revision);
    if (atMs !== undefined && (atMs < beganAtMs || atMs > endedAtMs)) {
      broken('VALUE-1', `${describe(call)} took effect at ${milliseconds(atMs)}, outside its call`);
    }
  }
  const isAnswer = outcome === 'refused' || (outcome === 'done' && call.do === 'get');
  if (!isAnswer || found === undefined) return;
  if (found !== null) {
    const kv = history.valueAt(key, found.revision);
    if (kv?.modRevision !== found.revision || textOf(kv.value) !== found.text) {
      broken(
        'VALUE-1',
        `${describe(call)} found ${found.text} of revision ${found.revision}, which there never was`,
      );
    }
  }
  if (stoodWithin(history, key, found, beganAtMs, endedAtMs)) return;
  const what = found === null ? 'nothing' : `${found.text} of revision ${found.revision}`;
  broken('VALUE-1', `${describe(call)} found ${what}, which was so at no moment of it`);
}

/** Whether this state, or none, was that of the key at some time between. */
function stoodWithin(
  history: History,
  key: Key,
  state: SeenValue | null,
  fromMs: number,
  toMs: number,
): boolean {
  const events = history.eventsOf(key);
  const timeOf = (event: KeyEvent | undefined) => event && history.timeOf(event.kv.modRevision);
  const isIt = (event: KeyEvent | undefined) =>
    state === null
      ? event === undefined || event.type === 'delete'
      : event?.type === 'put' && event.kv.modRevision === state.revision;
  for (let index = -1; index < events.length; index += 1) {
    const event = index < 0 ? undefined : events[index];
    if (!isIt(event)) continue;
    const beganMs = timeOf(event) ?? Number.NEGATIVE_INFINITY;
    const endedMs = timeOf(events[index + 1]) ?? Number.POSITIVE_INFINITY;
    if (beganMs <= toMs && endedMs >= fromMs) return true;
  }
  return false;
}

/** VALUE-1, of all calls together: there is an order that explains them. */
function search({ calls, history, key, budget = 500_000 }: AtomicValueCheck): string {
  const operations = calls.flatMap((call) => operationOf(call) ?? []);
  const last = Math.max(
    0,
    ...operations.map(({ calledAt, returnedAt = 0 }) => Math.max(calledAt, returnedAt)),
  );
  const final = history.valueAt(key, history.lastRevision);
  const atTheEnd: Operation<RegisterCall, RegisterReply> = {
    ...{ process: 'the store', call: { do: 'read' }, calledAt: last + 1, returnedAt: last + 2 },
    reply: { found: final === undefined ? null : textOf(final.value) },
  };
  const result = checkLinearizable(registerModel, [...operations, atTheEnd], { budget });
  if (result.verdict !== 'not-linearizable') return result.verdict;
  const stuck = result.stuck.map(
    ({ process, call, reply }) => `${process} ${JSON.stringify(call)} answered ${JSON.stringify(reply)}`,
  );
  broken(
    'VALUE-1',
    `after ${result.longest.length} calls, with ${result.state}, none fits of: ${stuck.join('; ')}`,
  );
}

/** Undefined for one that had no effect, and answered nothing. */
function operationOf(call: ValueCall): Operation<RegisterCall, RegisterReply> | undefined {
  const { process, outcome, found, text = null, wasThere } = call;
  if (outcome === 'not-applied') return undefined;
  const isOpen = outcome === 'unknown';
  const times = {
    calledAt: call.beganAtMs,
    ...(isOpen || call.endedAtMs === undefined ? {} : { returnedAt: call.endedAtMs }),
  };
  const of = (asked: RegisterCall, reply: RegisterReply) => ({
    ...{ process, call: asked, ...times },
    ...(isOpen ? {} : { reply }),
  });
  const seen = found === undefined ? undefined : (found?.text ?? null);
  // A refusal is a read.
  if (call.do === 'get' || outcome === 'refused') {
    return isOpen || seen === undefined ? undefined : of({ do: 'read' }, { found: seen });
  }
  if (isOpen || call.do === 'set') return of({ do: 'write', value: text }, {});
  if (call.do === 'delete' && wasThere === false) {
    return of({ do: 'compare-and-set', expected: null, value: null }, { wrote: true });
  }
  if (seen === undefined) return of({ do: 'write', value: text }, {});
  return of({ do: 'compare-and-set', expected: seen, value: text }, { wrote: true });
}

function describe({ process, do: what, text }: ValueCall): string {
  return `${process}'s ${what}${text === undefined ? '' : ` of ${text}`}`;
}
