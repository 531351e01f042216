/** Whether a topic was one: what was published, read and handed out, against the history of its keys. */

import { decodeCursor } from '../pubsub/topic/group/cursor.js';
import { removalIn } from '../pubsub/topic/reading/removal.js';
import { textOf } from '../store/index.js';
import { milliseconds } from './evidence.js';
import type { History } from './history.js';
import { broken } from './sentences.js';
import { checkTopicGroup, covers, type TopicTenure } from './topic-groups.js';
import { type LoggedText, TopicLog } from './topic-log.js';
import { checkTopicReader, type TopicReader } from './topic-readers.js';

export interface PublishedText {
  readonly process: string;
  /** Names the object that published it; calls of one object keep their order. */
  readonly publisher: string;
  readonly key: string | undefined;
  /** What no other message says. Messages are stored as their text. */
  readonly text: string;
  readonly outcome: 'done' | 'not-applied' | 'unknown';
  readonly place?: { readonly partition: number; readonly revision: number; readonly index: number };
  readonly beganAtMs: number;
  /** Absent if it never ended. */
  readonly endedAtMs?: number;
}

export interface TopicCheck {
  readonly history: History;
  /** Of all keys of the topic. */
  readonly prefix: string;
  readonly partitions: number;
  /** If that is all that is retained. */
  readonly maxMessages?: number | undefined;
  /** In the order of the calls. */
  readonly published: readonly PublishedText[];
  readonly readers?: readonly TopicReader[];
  readonly groups?: readonly { readonly name: string; readonly tenures: readonly TopicTenure[] }[];
}

export interface TopicCounts {
  readonly messages: number;
  /** In the log, though their publishers were never told. */
  readonly untold: number;
  readonly removed: number;
  readonly gaps: number;
  readonly deliveries: number;
  readonly cursorWrites: number;
}

/** Throws `InvariantBroken` for what the sentences of TOPIC-1 to TOPIC-9 exclude. */
export function checkTopic(check: TopicCheck): TopicCounts {
  const { history, prefix, partitions, published, readers = [], groups = [] } = check;
  const log = new TopicLog(history, prefix, partitions);
  const untold = checkPublished(log, published);
  checkOrder(log, history, published);
  const removed = checkRetention(check, log);
  let gaps = 0;
  for (const reader of readers) gaps += checkTopicReader(history, log, reader);
  const counts = groups.map((group) => checkTopicGroup(history, log, group));
  const sum = (of: (count: (typeof counts)[number]) => number) =>
    counts.reduce((all, one) => all + of(one), 0);
  return {
    ...{ messages: log.all.length, untold, removed },
    gaps: gaps + sum((count) => count.gaps),
    deliveries: sum((count) => count.deliveries),
    cursorWrites: sum((count) => count.cursorWrites),
  };
}

/** TOPIC-1. Answers how many are there whose publishers were never told. */
function checkPublished(log: TopicLog, published: readonly PublishedText[]): number {
  const asked = new Map(published.map((call) => [call.text, call]));
  let untold = 0;
  for (const { text, revision, key } of log.all) {
    const call = asked.get(text);
    if (call === undefined)
      broken('TOPIC-1', `${text} was put at revision ${revision}, and nobody published it`);
    if (log.withText(text).length > 1) {
      const revisions = log.withText(text).map((one) => one.revision);
      broken(
        'TOPIC-1',
        `${text} of ${call.process} is there more than once: at revisions ${revisions.join(', ')}`,
      );
    }
    if (call.outcome === 'not-applied') {
      broken(
        'TOPIC-1',
        `${text} was put at revision ${revision}, and ${call.process} was told that it was not`,
      );
    }
    if (call.key !== key) broken('TOPIC-1', `${text} was published with key ${call.key}, and has ${key}`);
    if (call.outcome === 'unknown') untold += 1;
  }
  for (const { text, process, outcome, place } of published) {
    if (outcome !== 'done' || place === undefined) continue;
    const found = log.at(place.partition, place);
    if (found?.text === text) continue;
    const where = `revision ${place.revision}.${place.index} of partition ${place.partition}`;
    broken(
      'TOPIC-1',
      `${process} was told that ${text} is at ${where}, where ${found?.text ?? 'nothing'} is`,
    );
  }
  return untold;
}

/** TOPIC-2. */
function checkOrder(log: TopicLog, history: History, published: readonly PublishedText[]): void {
  const placed = published.flatMap((call) => {
    const [logged] = log.withText(call.text);
    return logged === undefined ? [] : [{ call, logged }];
  });
  const byKey = new Map<string, typeof placed>();
  for (const one of placed) {
    if (one.call.key === undefined) continue;
    const same = byKey.get(one.call.key);
    if (same === undefined) byKey.set(one.call.key, [one]);
    else same.push(one);
  }
  for (const same of byKey.values()) {
    for (const [at, later] of same.entries()) {
      for (const earlier of same.slice(0, at)) {
        if (earlier.logged.partition !== later.logged.partition) {
          broken('TOPIC-2', `${earlier.call.text} and ${later.call.text} of one key are in two partitions`);
        }
        const isBefore =
          earlier.call.publisher === later.call.publisher ||
          (earlier.call.outcome === 'done' && (earlier.call.endedAtMs ?? Infinity) <= later.call.beganAtMs);
        if (!isBefore || earlier.logged.ordinal < later.logged.ordinal) continue;
        broken(
          'TOPIC-2',
          `${earlier.call.text} was published before ${later.call.text} (at ${milliseconds(later.call.beganAtMs)}), and comes behind it`,
        );
      }
    }
  }
  let open = 0;
  for (const { kv } of history.eventsOf(log.keys.head)) {
    const segment = Number(textOf(kv.value));
    if (!(segment > open))
      broken('TOPIC-2', `segment ${segment} was opened after ${open}, at revision ${kv.modRevision}`);
    open = segment;
  }
  for (const { text, revision, segment } of log.all) {
    const head = history.valueAt(log.keys.head, revision);
    if (head !== undefined && Number(textOf(head.value)) === segment) continue;
    broken(
      'TOPIC-2',
      `${text} was put into segment ${segment} at revision ${revision}, when that was closed`,
    );
  }
}

/** TOPIC-8. Answers how many messages were removed. */
function checkRetention({ history, maxMessages }: TopicCheck, log: TopicLog): number {
  let removed = 0;
  for (const [partition, messages] of log.partitions.entries()) {
    const key = log.keys.removal(partition);
    const revisions = new Set(messages.map(({ removedAt }) => removedAt).filter(Number.isFinite));
    for (const { kv } of history.eventsOf(key)) revisions.add(kv.modRevision);
    for (const revision of [...revisions].sort((one, other) => one - other)) {
      const what = `at revision ${revision}, of partition ${partition}`;
      const gone = messages.filter(({ removedAt }) => removedAt === revision);
      const stated = history.valueAt(key, revision);
      if (stated?.modRevision !== revision)
        broken('TOPIC-8', `${gone.length} were removed ${what}, and nothing says so`);
      const before = removalIn(history.valueAt(key, revision - 1));
      const { upTo, messages: count } = removalIn(stated);
      if (count !== before.messages + gone.length) {
        broken(
          'TOPIC-8',
          `${gone.length} were removed ${what}; ${before.messages} were gone, and then ${count} are said to be`,
        );
      }
      const wrong = messages.find((one) => isWrong(one, revision, upTo));
      if (wrong !== undefined) {
        const which = `${wrong.text} of revision ${wrong.revision}`;
        broken(
          'TOPIC-8',
          `${what} all up to ${upTo} is said to be removed, and ${which} is not as that says`,
        );
      }
      const left = messages.filter((one) => one.revision <= revision && one.removedAt > revision).length;
      if (maxMessages !== undefined && left < maxMessages) {
        broken('TOPIC-8', `${what} only ${left} were left, and ${maxMessages} are to be kept`);
      }
      removed += gone.length;
    }
  }
  return removed;
}

/** Whether a message stands though it is said to be gone, or the other way round. */
function isWrong({ revision: put, removedAt }: LoggedText, revision: number, upTo: number): boolean {
  return put <= upTo ? removedAt > revision : removedAt <= revision;
}

/** How many messages a group has still to deal with, in the state of a revision: not removed, and not beyond its cursors. */
export function leftToGroup(
  history: History,
  prefix: string,
  partitions: number,
  group: string,
  revision: number,
): number {
  const log = new TopicLog(history, prefix, partitions);
  return log.partitions.reduce((sum, messages, partition) => {
    const kv = history.valueAt(log.keys.group(group).cursor(partition), revision);
    const cursor = kv && decodeCursor(kv);
    const isLeft = (one: LoggedText) =>
      one.removedAt > revision && (cursor === undefined || !covers(cursor, one));
    return sum + messages.filter(isLeft).length;
  }, 0);
}
