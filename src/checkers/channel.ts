/** Whether channels were ones: what publishers and subscribers were told, against the history of the keys. */
import type { Compare, Keyspace } from '../store/index.js';
import { type LoggedMessage, logOf } from './channel-log.js';
import { type ChannelSubscriber, checkTold } from './channel-told.js';
import { milliseconds } from './evidence.js';
import type { History } from './history.js';
import { broken } from './sentences.js';

/** One call of `publish` or `publishAll`. */
export interface PublishCall {
  readonly process: string;
  /** Of the `Channel` object, in whatever process: calls of one are in order. */
  readonly publisher: string;
  readonly channel: string;
  /** Its messages, which no other call was to publish. */
  readonly texts: readonly string[];
  /** `done`: it resolved. Else the outcome that it failed with; `unknown` if it never ended. */
  readonly outcome: 'done' | 'not-applied' | 'unknown';
  /** Where it was told that its first message stands. */
  readonly place?: { readonly revision: number; readonly index: number };
  /** Under what it was to be published. */
  readonly guard?: Compare;
  readonly beganAtMs: number;
  /** Absent if it never ended. */
  readonly endedAtMs?: number;
}

export interface ChannelCheck {
  readonly history: History;
  readonly keys: Keyspace;
  /** In the order in which they were made. */
  readonly calls: readonly PublishCall[];
  readonly subscribers: readonly ChannelSubscriber[];
  /** The revision that history was compacted to, at the end. */
  readonly compactedTo: number;
  /** Messages that the codecs and schemas of subscribers refuse. */
  readonly unreadable?: ReadonlySet<string>;
}

export interface ChannelCounts {
  readonly published: number;
  /** Frames with messages of more than one call. */
  readonly shared: number;
  /** Messages that were published though their caller was never told. */
  readonly untold: number;
  readonly told: number;
  readonly gaps: number;
}

/**
 * Throws `InvariantBroken` for
 * - CHANNEL-1: a message that is there twice, or that nobody published, or against what its caller was told;
 * - CHANNEL-2: messages in another order than that of the calls;
 * - CHANNEL-3 to CHANNEL-6: see `checkTold`;
 * - CHANNEL-7: one that was published under a guard that had ended.
 */
export function checkChannel(options: ChannelCheck): ChannelCounts {
  const { history, keys, calls, subscribers, compactedTo, unreadable = new Set() } = options;
  const log = logOf(history, keys);
  const places = placesOf(options, log);
  let untold = 0;
  for (const call of calls) {
    const place = checkCall(history, call, places);
    if (place !== undefined && call.outcome === 'unknown') untold += call.texts.length;
  }
  checkOrder(calls, places);
  const timeOf = (revision: number) => history.timeOf(revision);
  const told = subscribers.map((subscriber) =>
    checkTold({ log, compactedTo, timeOf, unreadable }, subscriber),
  );
  return {
    published: log.length,
    shared: sharedIn(calls, places),
    untold,
    told: told.reduce((sum, { messages }) => sum + messages, 0),
    gaps: told.reduce((sum, { gaps }) => sum + gaps, 0),
  };
}

type Places = ReadonlyMap<string, LoggedMessage>;

function placesOf({ calls }: ChannelCheck, log: readonly LoggedMessage[]): Places {
  const asked = new Map(calls.flatMap((call) => call.texts.map((text) => [text, call.channel] as const)));
  const places = new Map<string, LoggedMessage>();
  for (const message of log) {
    const { text, channel, revision } = message;
    if (text === undefined) continue;
    const before = places.get(text);
    if (before !== undefined) {
      broken('CHANNEL-1', `${text} was published at revision ${before.revision}, and again at ${revision}`);
    }
    if (asked.get(text) !== channel) {
      broken(
        'CHANNEL-1',
        `${text} stands in ${channel} at revision ${revision}, which nobody published there`,
      );
    }
    places.set(text, message);
  }
  return places;
}

/** CHANNEL-1, CHANNEL-2 and CHANNEL-7, of one call. Answers where its first message stands, if it was published. */
function checkCall(history: History, call: PublishCall, places: Places): LoggedMessage | undefined {
  const { texts, outcome, place, beganAtMs, endedAtMs = Number.POSITIVE_INFINITY } = call;
  const found = texts.map((text) => places.get(text));
  const [first] = found;
  const isThere = first !== undefined;
  const isTogether = found.every((message, nth) =>
    isThere
      ? message?.revision === first.revision && message.index === first.index + nth
      : message === undefined,
  );
  if (!isTogether) broken('CHANNEL-1', `${describe(call)} was published in part, or not together`);
  if (!isThere) {
    if (outcome === 'done') broken('CHANNEL-1', `${describe(call)} resolved, and is not there`);
    return undefined;
  }
  if (outcome === 'not-applied') {
    broken('CHANNEL-1', `${describe(call)} was told not to be, and stands at revision ${first.revision}`);
  }
  if (outcome === 'done' && (place?.revision !== first.revision || place.index !== first.index)) {
    broken('CHANNEL-1', `${describe(call)} stands at ${at(first)}, and was told to at ${at(place)}`);
  }
  const atMs = history.timeOf(first.revision);
  const endMs = outcome === 'done' ? endedAtMs : Number.POSITIVE_INFINITY;
  if (atMs !== undefined && (atMs < beganAtMs || atMs > endMs)) {
    broken('CHANNEL-2', `${describe(call)} was published at ${milliseconds(atMs)}, outside its call`);
  }
  checkGuarded(history, call, first.revision);
  return first;
}

/** CHANNEL-2, of each publisher. Who gave up has no place in the order. */
function checkOrder(calls: readonly PublishCall[], places: Places): void {
  const last = new Map<string, PublishCall>();
  for (const call of calls) {
    if (call.outcome !== 'done') continue;
    const before = last.get(call.publisher);
    last.set(call.publisher, call);
    if (before === undefined) continue;
    const [earlier, later] = [before, call].map(({ texts: [text = ''] }) => places.get(text));
    if (earlier === undefined || later === undefined || isBefore(earlier, later)) continue;
    broken(
      'CHANNEL-2',
      `${describe(call)} stands at ${at(later)}, before ${describe(before)} at ${at(earlier)}`,
    );
  }
}

function checkGuarded(history: History, call: PublishCall, revision: number): void {
  const { guard } = call;
  if (guard === undefined) return;
  const kv = history.valueAt(guard.key, revision - 1);
  const stood = guard.target === 'create' ? kv?.createRevision : kv?.modRevision;
  if ((stood ?? 0) === guard.operand) return;
  const what = `${describe(call)} was published at revision ${revision} under ${guard.key} of ${String(guard.operand)}`;
  broken('CHANNEL-7', `${what}, which was ${stood === undefined ? 'gone' : `of ${stood}`} by then`);
}

function sharedIn(calls: readonly PublishCall[], places: Places): number {
  const callsAt = new Map<string, number>();
  for (const {
    texts: [text = ''],
    channel,
  } of calls) {
    const place = places.get(text);
    if (place === undefined) continue;
    const frame = `${place.revision} ${channel}`;
    callsAt.set(frame, (callsAt.get(frame) ?? 0) + 1);
  }
  return [...callsAt.values()].filter((count) => count > 1).length;
}

function isBefore(one: LoggedMessage, other: LoggedMessage): boolean {
  return one.revision < other.revision || (one.revision === other.revision && one.index < other.index);
}

function at(place: { readonly revision: number; readonly index: number } | undefined): string {
  return place === undefined ? 'no place' : `${place.index} of revision ${place.revision}`;
}

function describe({ process, texts }: PublishCall): string {
  return `${process}'s ${texts.join(', ')}`;
}
