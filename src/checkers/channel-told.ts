/** What subscribers of channels were told, against the log. */
import type { LoggedMessage } from './channel-log.js';
import { broken } from './sentences.js';

/** One item that a subscriber was told. */
export type ToldItem =
  | {
      readonly type: 'message';
      readonly channel: string;
      readonly revision: number;
      readonly index: number;
      readonly text: string;
    }
  | {
      readonly type: 'unreadable';
      readonly channel: string;
      readonly revision: number;
      readonly index: number;
    }
  | {
      readonly type: 'gap';
      readonly reason: 'compacted' | 'dropped' | 'missing';
      readonly fromRevision: number;
      readonly toRevision: number;
      readonly messages?: number;
      readonly index?: number;
      readonly channel?: string;
    };

export interface ChannelSubscriber {
  readonly process: string;
  /** The channel, or what the names of the channels begin with. */
  readonly to: { readonly channel: string } | { readonly prefix: string };
  /** After what it began: its position as `subscribe` resolved. */
  readonly after: { readonly revision: number; readonly index?: number; readonly channel?: string };
  /** When `subscribe` resolved. Absent where it went on from a position. */
  readonly joinedAtMs?: number;
  readonly mayDrop: boolean;
  /** It never reads history by itself: it began with what came, and leaves nothing to be read later. */
  readonly isLive?: boolean;
  readonly items: readonly ToldItem[];
  /** It subscribed on to the end, and had time to be told everything. */
  readonly isStanding: boolean;
}

export interface ToldCounts {
  readonly messages: number;
  readonly gaps: number;
}

export interface ToldOptions {
  readonly log: readonly LoggedMessage[];
  /** The revision that history was compacted to, at the end. */
  readonly compactedTo: number;
  readonly timeOf: (revision: number) => number | undefined;
  /** What subscribers' codecs and schemas refuse. */
  readonly unreadable: ReadonlySet<string>;
}

/** CHANNEL-3 to CHANNEL-6, of one subscriber. */
export function checkTold(
  { log, compactedTo, timeOf, unreadable }: ToldOptions,
  subscriber: ChannelSubscriber,
): ToldCounts {
  const { process, to, after, joinedAtMs, mayDrop, isLive = false, items, isStanding } = subscriber;
  const mine = log.filter(({ channel }) =>
    'prefix' in to ? channel.startsWith(to.prefix) : channel === to.channel,
  );
  if (joinedAtMs !== undefined) {
    const first = log.find(({ revision }) => (timeOf(revision) ?? 0) > joinedAtMs);
    if (first !== undefined && first.revision <= after.revision) {
      broken('CHANNEL-5', `${process} began after revision ${after.revision}, but had joined before it`);
    }
  }
  let next = mine.findLastIndex((message) => isDone(message, after)) + 1;
  let told = after.revision;
  let messages = 0;
  let gaps = 0;
  for (const item of items) {
    const what = `${process} was told ${JSON.stringify(item)}`;
    const due = mine[next];
    const instead = `, when ${due === undefined ? 'nothing' : JSON.stringify(due)} was next`;
    if (item.type === 'gap') {
      gaps += 1;
      const isFirst = messages + gaps === 1;
      const knowsLast = 'channel' in to && isLive && !isFirst;
      next = afterGap(item, { what, mine, next, told, compactedTo, mayDrop, to, knowsLast });
      told = item.toRevision;
      continue;
    }
    const isChannel = 'prefix' in to ? item.channel.startsWith(to.prefix) : item.channel === to.channel;
    if (!isChannel) broken('CHANNEL-6', `${what}, and subscribes to ${JSON.stringify(to)}`);
    const isDue = due?.channel === item.channel && due.revision === item.revision && due.index === item.index;
    const isRefused = due?.text === undefined || unreadable.has(due.text);
    const isSame = item.type === 'message' ? !isRefused && due.text === item.text : isRefused;
    if (!isDue || !isSame) broken('CHANNEL-3', what + instead);
    next += 1;
    told = item.revision;
    messages += 1;
  }
  const missing = mine[next];
  if (isStanding && missing !== undefined) {
    broken(
      'CHANNEL-3',
      `${process} was not told ${JSON.stringify(missing)}, after ${JSON.stringify(items.at(-1))}`,
    );
  }
  return { messages, gaps };
}

interface GapScene {
  readonly what: string;
  readonly mine: readonly LoggedMessage[];
  readonly next: number;
  readonly told: number;
  readonly compactedTo: number;
  readonly mayDrop: boolean;
  readonly to: ChannelSubscriber['to'];
  /** It was told what stands before the gap as it came, so it is known by its version how many were after that. */
  readonly knowsLast: boolean;
}

/** CHANNEL-4. Answers which message is next. */
function afterGap(
  gap: Extract<ToldItem, { type: 'gap' }>,
  { what, mine, next, told, compactedTo, mayDrop, to, knowsLast }: GapScene,
): number {
  const { reason, fromRevision, toRevision } = gap;
  const due = mine[next];
  if (reason === 'missing') broken('CHANNEL-4', `${what}, and no store leaves anything out`);
  if (fromRevision > toRevision || fromRevision < told) broken('CHANNEL-4', `${what} after revision ${told}`);
  if (due !== undefined && due.revision < fromRevision) {
    broken('CHANNEL-4', `${what}, which leaves out ${JSON.stringify(due)}`);
  }
  if (reason === 'dropped') {
    const last = mine[next + (gap.messages ?? 0) - 1];
    const isExact =
      due?.revision === fromRevision && last?.revision === toRevision && last.index === gap.index;
    if (!mayDrop) broken('CHANNEL-4', `${what}, and asked for no message to be dropped`);
    if (gap.messages !== undefined && !isExact) {
      broken('CHANNEL-4', `${what}, when ${JSON.stringify(due)} to ${JSON.stringify(last)} were so many`);
    }
    if (gap.messages !== undefined) return next + gap.messages;
    const position = { revision: toRevision, ...gap };
    return mine.findLastIndex((message) => isDone(message, position)) + 1;
  }
  if (toRevision > compactedTo) {
    broken('CHANNEL-4', `${what}, when only what came up to ${compactedTo} was compacted`);
  }
  const isEmpty = due === undefined || due.revision > toRevision;
  // Of one put that is left, after one that is not known, nobody can say that it was the only one.
  const maySeemMissing = 'prefix' in to || (!knowsLast && due?.revision === toRevision + 1);
  if (isEmpty && !maySeemMissing) broken('CHANNEL-4', `${what}, where nothing of it was published`);
  return mine.findLastIndex(({ revision }) => revision <= toRevision) + 1;
}

/** Whether a message is not after a position. */
function isDone(message: LoggedMessage, position: ChannelSubscriber['after']): boolean {
  const { revision, index, channel } = position;
  if (message.revision !== revision || index === undefined) return message.revision <= revision;
  return (channel === undefined || message.channel === channel) && message.index <= index;
}
