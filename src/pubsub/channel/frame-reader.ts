import { isQuorateError, QuorateError } from '../../errors.js';
import type { Payloads } from '../../payload/index.js';
import type { Key, KeyEvent, KeyValue } from '../../store/index.js';
import type { Continuity } from './continuity.js';
import { decodeFrame } from './frame.js';
import type { ChannelGap, ChannelItem, ChannelPosition } from './types.js';

/** What an item weighs in memory beside its bytes, about. */
const itemOverheadBytes = 200;

/** What whole revisions say, in order. */
export interface Batch<T> {
  readonly items: readonly ChannelItem<T>[];
  /** About how many bytes of memory each of them takes. */
  readonly weights: readonly number[];
}

/** Makes of the events of channels what subscribers are told: decoded once, for all of them. */
export class FrameReader<T> {
  readonly #payloads: Payloads<T>;
  readonly #nameOf: (key: Key) => string | undefined;

  /** `nameOf`: the channel of a key; undefined if the key is none of a channel. */
  constructor(options: { payloads: Payloads<T>; nameOf: (key: Key) => string | undefined }) {
    this.#payloads = options.payloads;
    this.#nameOf = options.nameOf;
  }

  /** A promise only where the schema takes its time. Never rejects: what cannot be read is told as that. */
  read(events: readonly KeyEvent[], continuity: Continuity): Batch<T> | Promise<Batch<T>> {
    const items: (ChannelItem<T> | Promise<ChannelItem<T>>)[] = [];
    const weights: number[] = [];
    let takesTime = false;
    for (const event of events) {
      const { kv } = event;
      const channel = this.#nameOf(kv.key);
      if (channel === undefined) continue;
      const missing = continuity.see(event);
      if (missing !== undefined) {
        items.push(gapOf('missing', missing, channel));
        weights.push(itemOverheadBytes);
      }
      // Nobody of this library deletes it; who does takes no message away that was published before.
      if (event.type === 'delete') continue;
      const first = items.length;
      this.#readFrame(channel, kv, items);
      for (let at = first; at < items.length; at += 1) {
        weights.push(itemOverheadBytes + kv.value.length / (items.length - first));
        takesTime ||= items[at] instanceof Promise;
      }
    }
    if (takesTime) return Promise.all(items).then((read) => ({ items: read, weights }));
    return { items: items as ChannelItem<T>[], weights };
  }

  #readFrame(channel: string, kv: KeyValue, items: (ChannelItem<T> | Promise<ChannelItem<T>>)[]): void {
    const revision = kv.modRevision;
    let messages: readonly Uint8Array[];
    try {
      messages = decodeFrame(kv.value);
    } catch (error) {
      items.push(unreadable(channel, revision, 0, error));
      return;
    }
    for (let index = 0; index < messages.length; index += 1) {
      items.push(this.#readMessage(channel, revision, index, messages[index] as Uint8Array));
    }
  }

  #readMessage(
    channel: string,
    revision: number,
    index: number,
    bytes: Uint8Array,
  ): ChannelItem<T> | Promise<ChannelItem<T>> {
    try {
      const payload = this.#payloads.decode(bytes);
      if (!(payload instanceof Promise)) return { type: 'message', channel, revision, index, payload };
      return payload.then(
        (value): ChannelItem<T> => ({ type: 'message', channel, revision, index, payload: value }),
        (error: unknown) => unreadable(channel, revision, index, error),
      );
    } catch (error) {
      return unreadable(channel, revision, index, error);
    }
  }
}

/** What comes after a position, of what its revision and later ones say. */
export function after<T>(position: ChannelPosition, { items, weights }: Batch<T>): Batch<T> {
  const { revision, channel, index } = position;
  const isDone = (item: ChannelItem<T>) => {
    // Of what is left of a revision too.
    if (item.type === 'gap') return false;
    if (item.revision !== revision || index === undefined) return item.revision <= revision;
    return (channel === undefined || item.channel === channel) && item.index <= index;
  };
  const done = items.findLastIndex(isDone) + 1;
  return done === 0 ? { items, weights } : { items: items.slice(done), weights: weights.slice(done) };
}

export function gapOf(
  reason: 'compacted' | 'missing',
  { fromRevision, toRevision }: { readonly fromRevision: number; readonly toRevision: number },
  channel: string | undefined,
): ChannelGap {
  return {
    ...{ type: 'gap', reason, fromRevision, toRevision, revision: toRevision },
    ...{ index: undefined, channel, messages: undefined },
  };
}

function unreadable<T>(channel: string, revision: number, index: number, cause: unknown): ChannelItem<T> {
  const error = isQuorateError(cause)
    ? cause
    : new QuorateError('internal', 'a message could not be read in an unforeseen way', { cause });
  return { type: 'unreadable', channel, revision, index, error };
}
