import { type Cursor, cursorAt, decodeCursor, isDone } from '../pubsub/topic/group/cursor.js';
import { beginning, endOf, type Gap, isAfter, type Position } from '../pubsub/topic/position.js';
import { textOf } from '../store/index.js';
import { milliseconds } from './evidence.js';
import type { History } from './history.js';
import { broken } from './sentences.js';
import type { LoggedText, TopicLog } from './topic-log.js';
import { checkGap, shown } from './topic-readers.js';

/** A message that was handed out. */
export interface HandedOut extends Position {
  readonly text: string;
  readonly attempt: number;
  readonly beganAtMs: number;
  /** It was acknowledged then, by who worked on it. */
  readonly ackedAtMs?: number;
  /** That was confirmed then. */
  readonly confirmedAtMs?: number;
  /** Its handling failed then. */
  readonly failedAtMs?: number;
}

/** What one owner did with a partition, from when it read the cursor. */
export interface TopicTenure {
  readonly process: string;
  readonly partition: number;
  /** The create revision of the owner's key. */
  readonly term: number;
  /** The revision as of which the cursor was read. */
  readonly asOf: number;
  readonly handedOut: readonly HandedOut[];
  readonly gaps: readonly Gap[];
}

export interface GroupCounts {
  readonly deliveries: number;
  readonly gaps: number;
  readonly cursorWrites: number;
}

const nowhere = cursorAt(beginning, 0);

/** Whether a group is done with what is at this place. */
export function covers(cursor: Cursor, at: Position): boolean {
  return !isAfter(at, cursor.after) || isDone(cursor, at);
}

/** TOPIC-4 to TOPIC-7, and TOPIC-9 for gaps that were told to members. */
export function checkTopicGroup(
  history: History,
  log: TopicLog,
  { name, tenures }: { readonly name: string; readonly tenures: readonly TopicTenure[] },
): GroupCounts {
  const group = new GroupCheck(history, log, name, tenures);
  for (const tenure of tenures) group.checkTenure(tenure);
  const cursorWrites = log.partitions.reduce((sum, _, partition) => sum + group.checkCursor(partition), 0);
  return {
    deliveries: tenures.reduce((sum, { handedOut }) => sum + handedOut.length, 0),
    gaps: tenures.reduce((sum, { gaps }) => sum + gaps.length, 0),
    cursorWrites,
  };
}

class GroupCheck {
  readonly #history: History;
  readonly #log: TopicLog;
  readonly #name: string;
  readonly #tenures: readonly TopicTenure[];

  constructor(history: History, log: TopicLog, name: string, tenures: readonly TopicTenure[]) {
    this.#history = history;
    this.#log = log;
    this.#name = name;
    this.#tenures = tenures;
  }

  checkTenure(tenure: TopicTenure): void {
    const { process, partition, term, asOf, handedOut, gaps } = tenure;
    const keys = this.#log.keys.group(this.#name);
    const who = `${process}, of term ${term} of partition ${partition} of ${this.#name},`;
    const owner = this.#history.valueAt(keys.owner(partition), asOf);
    if (owner?.createRevision !== term)
      broken('TOPIC-7', `${who} began at revision ${asOf}, and did not own it then`);
    const cursor = this.#cursorAt(partition, asOf);
    const doneBefore = new Set(
      this.#log.partitions[partition]?.filter((one) => isDone(cursor, one)).map(({ text }) => text),
    );
    for (const gap of gaps) checkGap(this.#history, this.#log, gap, doneBefore, who);
    for (const [at, handed] of handedOut.entries()) {
      const logged = this.#log.at(partition, handed);
      const what = `${who} was handed ${handed.text} of ${shown(handed)} at ${milliseconds(handed.beganAtMs)}`;
      if (logged === undefined || logged.text !== handed.text) broken('TOPIC-3', `${what}, where it is not`);
      if (covers(cursor, handed)) broken('TOPIC-6', `${what}, and the cursor that it began with covers it`);
      const before = handedOut.slice(0, at).filter(({ text }) => text === handed.text);
      if (before.some(({ failedAtMs = Infinity }) => failedAtMs > handed.beganAtMs)) {
        broken('TOPIC-6', `${what}, and had been handed it before, which had not failed`);
      }
      this.#checkTurn(tenure, cursor, logged, handed, what);
    }
  }

  /** TOPIC-4: whatever of its key lies before it is dealt with. */
  #checkTurn(
    { partition, handedOut, gaps }: TopicTenure,
    cursor: Cursor,
    logged: LoggedText,
    handed: HandedOut,
    what: string,
  ): void {
    if (logged.key === undefined) return;
    for (const earlier of this.#log.partitions[partition] ?? []) {
      if (!isAfter(logged, earlier)) return;
      if (earlier.key !== logged.key || covers(cursor, earlier) || inGap(gaps, earlier)) continue;
      const isSettled = handedOut.some(
        ({ text, ackedAtMs = Infinity }) => text === earlier.text && ackedAtMs <= handed.beganAtMs,
      );
      if (isSettled || this.#putAsideBy(partition, earlier, handed.beganAtMs)) continue;
      broken('TOPIC-4', `${what}, and ${earlier.text} of ${shown(earlier)}, of its key, was not dealt with`);
    }
  }

  #putAsideBy(partition: number, at: Position, atMs: number): boolean {
    const key = this.#log.keys.group(this.#name).deadLetter(partition, at);
    return this.#history
      .eventsOf(key)
      .some(({ kv }) => (this.#history.timeOf(kv.modRevision) ?? Infinity) <= atMs);
  }

  /** TOPIC-5, TOPIC-6 and TOPIC-7, write by write. Answers how many there were. */
  checkCursor(partition: number): number {
    const keys = this.#log.keys.group(this.#name);
    for (const { type, kv } of this.#history.eventsOf(keys.owner(partition))) {
      if (type === 'put' && kv.version !== 1) {
        broken(
          'TOPIC-7',
          `partition ${partition} of ${this.#name} was taken over at revision ${kv.modRevision}, while it was owned`,
        );
      }
    }
    const writes = this.#history.eventsOf(keys.cursor(partition)).filter(({ type }) => type === 'put');
    const sought: number[] = [];
    for (const { kv } of writes) {
      const { modRevision: revision } = kv;
      const next = decodeCursor(kv);
      if (next.term === 0) {
        // The first one is that of a group that begins.
        if (kv.version > 1) sought.push(revision);
        continue;
      }
      this.#checkOwner(partition, next.term, revision);
      this.#checkSought(partition, next.term, revision, sought.at(-1) ?? 0);
      this.#checkStep(partition, this.#cursorAt(partition, revision - 1), next, revision);
    }
    this.#checkConfirmed(partition);
    return writes.length;
  }

  #checkOwner(partition: number, term: number, revision: number): void {
    const owner = this.#history.valueAt(this.#log.keys.group(this.#name).owner(partition), revision - 1);
    if (owner?.createRevision === term) return;
    const by = owner === undefined ? 'nobody owned it' : `the owner was of term ${owner.createRevision}`;
    broken(
      'TOPIC-7',
      `the cursor of partition ${partition} of ${this.#name} was moved by term ${term} at revision ${revision}, when ${by}`,
    );
  }

  /** Whoever moves it has seen where somebody else moved it to. */
  #checkSought(partition: number, term: number, revision: number, sought: number): void {
    const hasSeen = this.#tenures.some(
      (one) => one.partition === partition && one.term === term && one.asOf >= sought && one.asOf < revision,
    );
    if (hasSeen) return;
    const what = `the cursor of partition ${partition} of ${this.#name} was sought at revision ${sought}`;
    broken('TOPIC-7', `${what}, and term ${term}, which had not seen that, moved it at revision ${revision}`);
  }

  #checkStep(partition: number, before: Cursor, next: Cursor, revision: number): void {
    const what = `the cursor of partition ${partition} of ${this.#name}, at revision ${revision}, of term ${next.term},`;
    const atMs = this.#history.timeOf(revision) ?? Infinity;
    let count = 0;
    for (const logged of this.#log.partitions[partition] ?? []) {
      if (!isAfter(logged, next.after)) count += 1;
      const [was, is] = [covers(before, logged), covers(next, logged)];
      if (was && !is) broken('TOPIC-6', `${what} takes ${logged.text} of ${shown(logged)} back`);
      if (was || !is || this.#isDealtWith(partition, logged, next.term, revision, atMs)) continue;
      broken('TOPIC-5', `${what} passes ${logged.text} of ${shown(logged)}, which nobody has acknowledged`);
    }
    if (next.count !== undefined && next.count !== count) {
      broken('TOPIC-9', `${what} counts ${next.count} messages, and they are ${count}`);
    }
  }

  #isDealtWith(partition: number, logged: LoggedText, term: number, revision: number, atMs: number): boolean {
    if (this.#putAsideBy(partition, logged, atMs)) return true;
    const tenures = this.#tenures.filter((one) => one.partition === partition && one.term === term);
    return tenures.some(
      ({ handedOut, gaps }) =>
        (logged.removedAt <= revision && inGap(gaps, logged)) ||
        handedOut.some(({ text, ackedAtMs = Infinity }) => text === logged.text && ackedAtMs <= atMs),
    );
  }

  /** What was confirmed was put into the cursor by then, in the tenure in which it was. */
  #checkConfirmed(partition: number): void {
    const writes = this.#history.eventsOf(this.#log.keys.group(this.#name).cursor(partition));
    for (const { process, handedOut, partition: of, term, asOf } of this.#tenures) {
      if (of !== partition) continue;
      for (const { text, revision, index, confirmedAtMs } of handedOut) {
        if (confirmedAtMs === undefined) continue;
        const isStored = writes.some(
          ({ type, kv }) =>
            type === 'put' &&
            kv.modRevision > asOf &&
            decodeCursor(kv).term === term &&
            (this.#history.timeOf(kv.modRevision) ?? 0) <= confirmedAtMs &&
            covers(decodeCursor(kv), { revision, index }),
        );
        if (isStored) continue;
        broken('TOPIC-6', `${process} was told that ${text} is acknowledged, and no cursor says so`);
      }
    }
  }

  #cursorAt(partition: number, revision: number): Cursor {
    const kv = this.#history.valueAt(this.#log.keys.group(this.#name).cursor(partition), revision);
    return kv === undefined || textOf(kv.value) === '' ? nowhere : decodeCursor(kv);
  }
}

function inGap(gaps: readonly Gap[], at: Position): boolean {
  return gaps.some(({ after, toRevision }) => isAfter(at, after) && !isAfter(at, endOf(toRevision)));
}
