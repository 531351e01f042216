/**
 * One partition, in order, from a place on: what is there already out of the store, what comes out of the watch.
 *
 * The watch is opened first. While its reader is behind what it covers, pages are read (log-pages.ts); a page that finds nothing
 * more says up to which revision. As soon as that is covered, frames come from the watch (tail.ts). A cut of the watch, or a
 * reader that is too slow for it, sends it back to pages. Where one source ends and the other begins is one revision, so
 * nothing is given twice and nothing is left out.
 *
 * Nothing is written and no session is needed. *Reply lost*: read again. *The process pauses, a watch is cut*: back to pages, from
 * where it was. *History compacted*: the log is not history, and the watch begins anew at what is there now; so only retention makes a
 * gap.
 */
import type { Client } from '../../../session/index.js';
import { decodeFrame, type FramedMessage } from '../frame.js';
import type { TopicKeys } from '../keys.js';
import { endOf, type Gap, type Position } from '../position.js';
import { LogPages, type ReadFrame } from './log-pages.js';
import type { Removal } from './removal.js';
import { Tail } from './tail.js';

/** A message in the log, as bytes. */
export interface LoggedMessage extends FramedMessage, Position {
  /** By the clock of its publisher. */
  readonly publishedAtMs: number;
  /** How many messages of the partition there were up to it, itself included; undefined where nobody counted from the beginning. */
  readonly ordinal: number | undefined;
}

export type Reading =
  | { readonly type: 'messages'; readonly messages: readonly LoggedMessage[] }
  | { readonly type: 'gap'; readonly gap: Gap }
  /** Only where it was asked to end: there was nothing more as of this revision. */
  | { readonly type: 'end'; readonly revision: number };

export interface StartingPlace {
  /** The last message that is not wanted. */
  readonly after: Position;
  /** How many messages of the partition there were up to it; undefined if nobody knows. */
  readonly count: number | undefined;
}

export class PartitionReader {
  readonly #client: Client;
  readonly #keys: TopicKeys;
  readonly #partition: number;
  readonly #framesPerPage: number;
  readonly #tail: Tail | undefined;
  /** The last that was given, or is not wanted. */
  #after: Position;
  #count: number | undefined;
  /** Everything up to this revision is dealt with. */
  #through: number;
  #pages: LogPages | undefined;

  /** `follows`: it waits for more where there is none, instead of ending. Then close it. */
  constructor(options: {
    client: Client;
    keys: TopicKeys;
    partition: number;
    from: StartingPlace;
    follows: boolean;
    framesPerPage: number;
  }) {
    const { client, keys, partition, from, follows } = options;
    this.#framesPerPage = options.framesPerPage;
    this.#client = client;
    this.#keys = keys;
    this.#partition = partition;
    this.#after = from.after;
    this.#count = from.count;
    // There may be more in the revision of the last one.
    this.#through = Math.max(0, from.after.revision - 1);
    this.#tail = follows ? new Tail(client.hub, keys.partition(partition)) : undefined;
  }

  /** How many messages of the partition there were up to what was given or told; undefined if nobody has counted. */
  get count(): number | undefined {
    return this.#count;
  }

  /** Rejects with the signal's reason, with what the store refuses for good, and with `codec` for what is no frame. */
  async next(signal: AbortSignal): Promise<Reading> {
    for (;;) {
      signal.throwIfAborted();
      if (this.#tail?.covers(this.#through)) {
        this.#pages = undefined;
        const frame = this.#tail.take(this.#through);
        const messages = frame && this.#give(frame);
        if (messages !== undefined && messages.length > 0) return { type: 'messages', messages };
        if (frame === undefined) await this.#tail.changed(signal);
        continue;
      }
      const reading = await this.#page(signal);
      if (reading !== undefined) return reading;
    }
  }

  close(): void {
    this.#tail?.close();
  }

  /** Undefined if it showed nothing to be given. */
  async #page(signal: AbortSignal): Promise<Reading | undefined> {
    this.#pages ??= new LogPages({
      ...{ client: this.#client, keys: this.#keys, partition: this.#partition, through: this.#through },
      framesPerPage: this.#framesPerPage,
    });
    const item = await this.#pages.next(signal);
    if (item.type === 'removed') return this.#lose(item.removal);
    if (item.type === 'frame') {
      const messages = this.#give(item.frame);
      return messages.length > 0 ? { type: 'messages', messages } : undefined;
    }
    this.#through = Math.max(this.#through, item.revision);
    if (this.#tail === undefined) return { type: 'end', revision: item.revision };
    // While the watch is not open there is nothing to wait for but that.
    if (!this.#tail.isOpen) await this.#tail.changed(signal);
    return undefined;
  }

  #give(frame: ReadFrame): readonly LoggedMessage[] {
    const { revision, publishedAtMs } = frame;
    this.#through = revision;
    const first = revision === this.#after.revision ? this.#after.index + 1 : 0;
    const messages = decodeFrame(frame.value)
      .map((message, index): LoggedMessage => {
        const ordinal = this.#count === undefined ? undefined : this.#count + index - first + 1;
        return { ...message, revision, index, publishedAtMs, ordinal };
      })
      .slice(first);
    if (this.#count !== undefined) this.#count += messages.length;
    this.#after = { revision, index: first + messages.length - 1 };
    return messages;
  }

  #lose({ upTo, messages }: Removal): Reading | undefined {
    const missing = this.#count === undefined ? undefined : messages - this.#count;
    const after = this.#after;
    this.#through = Math.max(this.#through, upTo);
    this.#count = messages;
    if (missing === 0) return undefined;
    this.#after = endOf(upTo);
    return { type: 'gap', gap: { partition: this.#partition, after, toRevision: upTo, messages: missing } };
  }
}
