import { endOf, type Gap, isAfter, type Position } from '../pubsub/topic/position.js';
import { removalIn } from '../pubsub/topic/reading/removal.js';
import { textOf } from '../store/index.js';
import type { History } from './history.js';
import { broken } from './sentences.js';
import type { TopicLog } from './topic-log.js';

export type ReadText =
  | ({ readonly type: 'message'; readonly partition: number; readonly text: string } & Position)
  | ({ readonly type: 'gap' } & Gap);

/** One who read without a group. */
export interface TopicReader {
  readonly process: string;
  readonly items: readonly ReadText[];
  /** Where it began: with everything after this revision. Undefined: nobody knows, as with "now". */
  readonly after: number | undefined;
  /** Of what was there when it began, the oldest. */
  readonly isFromStart: boolean;
  /** It had time to be given everything. */
  readonly isStanding: boolean;
}

/** TOPIC-3 and TOPIC-9. Answers how many gaps it was told. */
export function checkTopicReader(history: History, log: TopicLog, reader: TopicReader): number {
  let gaps = 0;
  for (const [partition, messages] of log.partitions.entries()) {
    const items = reader.items.filter((item) => item.partition === partition);
    let after: Position | undefined = beginningOf(reader);
    for (const item of items) {
      if (item.type === 'gap') {
        gaps += 1;
        checkGap(history, log, item, new Set(), `${reader.process}, which read partition ${partition},`);
        const isChosen = reader.isFromStart && isFirst(items, item);
        if (after !== undefined && !isChosen && !sameUpTo(log, partition, after, item.after)) {
          broken(
            'TOPIC-9',
            `${reader.process} was told a gap after ${shown(item.after)}, and was at ${shown(after)}`,
          );
        }
        after = endOf(item.toRevision);
        continue;
      }
      const what = `${reader.process} was given ${item.text} at ${shown(item)} of partition ${partition}`;
      if (log.at(partition, item)?.text !== item.text) broken('TOPIC-3', `${what}, where it is not`);
      const skipped = after && log.between(partition, after, item).filter(({ text }) => text !== item.text);
      if (after !== undefined && !isAfter(item, after)) broken('TOPIC-3', `${what} after ${shown(after)}`);
      // What was gone before it began to read from the start is no gap.
      const isChosen = reader.isFromStart && isFirst(items, item);
      const missed = skipped?.find(({ removedAt }) => !isChosen || removedAt === Number.POSITIVE_INFINITY);
      if (missed !== undefined)
        broken('TOPIC-3', `${what}, and not ${missed.text} of ${shown(missed)} before it`);
      after = { revision: item.revision, index: item.index };
    }
    const last = messages.at(-1);
    if (!reader.isStanding || last === undefined || after === undefined) continue;
    const left = log.between(partition, after, last).find(({ removedAt }) => removedAt === Infinity);
    if (left !== undefined)
      broken('TOPIC-3', `${reader.process} was never given ${left.text} of ${shown(left)}`);
  }
  return gaps;
}

function beginningOf({ after }: TopicReader): Position | undefined {
  return after === undefined ? undefined : endOf(after);
}

function isFirst(items: readonly ReadText[], item: ReadText): boolean {
  return items[0] === item;
}

/** Whether nothing lies between the two places. */
function sameUpTo(log: TopicLog, partition: number, one: Position, other: Position): boolean {
  const [first, last] = isAfter(one, other) ? [other, one] : [one, other];
  return log.between(partition, first, last).length === 0;
}

/** TOPIC-9: it is what was removed, and it is counted. `done`: what is not missing. */
export function checkGap(
  history: History,
  log: TopicLog,
  gap: Gap,
  done: ReadonlySet<string>,
  who: string,
): void {
  const { partition, after, toRevision, messages } = gap;
  const stated = history
    .eventsOf(log.keys.removal(partition))
    .some(({ kv }) => textOf(kv.value) !== '' && removalIn(kv).upTo === toRevision);
  const what = `${who} was told a gap from ${shown(after)} to ${toRevision}`;
  if (!stated) broken('TOPIC-9', `${what}, and nothing was removed up to there`);
  const missing = log.between(partition, after, endOf(toRevision)).filter(({ text }) => !done.has(text));
  if (missing.length === 0) broken('TOPIC-9', `${what}, and nothing is missing there`);
  if (messages !== undefined && messages !== missing.length) {
    broken('TOPIC-9', `${what} of ${messages} messages, and ${missing.length} are missing`);
  }
}

export function shown({ revision, index }: Position): string {
  return index === Number.MAX_SAFE_INTEGER ? `the end of ${revision}` : `${revision}.${index}`;
}
