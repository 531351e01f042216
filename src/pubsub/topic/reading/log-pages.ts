/**
 * The log of a partition from a place on, as the store has it, for who is behind: frames in order, in pieces of bounded size.
 *
 * Segment by segment: all names of what a segment has of the partition are listed at one revision, without values, and sorted
 * by the revisions that put them. Whatever appears later was put later, so the list is whole up to that revision. Then values
 * are read by name, as many as make a page. Every read also reads what retention has removed, at the same revision: a frame that
 * is not there any more is told by it, and nothing is missed that is not.
 */
import type { Client } from '../../../session/index.js';
import { get, type KeyValue, type RangeOp, txnOf } from '../../../store/index.js';
import { type ListedFrame, listedFrame, listedFrames } from '../frame-name.js';
import type { TopicKeys } from '../keys.js';
import { keyIn, keysIn } from '../replies.js';
import { retrying } from '../retrying.js';
import { type Removal, removalIn } from './removal.js';

export const defaultFramesPerPage = 32;
const bytesPerPage = 1_024 * 1_024;
const readTimeoutMs = 10_000;

export interface ReadFrame extends ListedFrame {
  readonly value: Uint8Array;
}

export type PageItem =
  | { readonly type: 'frame'; readonly frame: ReadFrame }
  /** So much is gone, and the reader has not been given it. */
  | { readonly type: 'removed'; readonly removal: Removal }
  /** There is nothing more, as of this revision. */
  | { readonly type: 'end'; readonly revision: number };

/** The names of a segment that were listed, and not read yet. */
interface Listing {
  /** Whole up to here. */
  readonly revision: number;
  /** The segment after it, so nothing is put into this one any more. Undefined: it is the open one. */
  readonly next: number | undefined;
  readonly frames: ListedFrame[];
}

export class LogPages {
  readonly #client: Client;
  readonly #keys: TopicKeys;
  readonly #partition: number;
  readonly #framesPerPage: number;
  /** Everything up to this revision was given, or told to be gone. */
  #through: number;
  #listing: Listing | undefined;
  #page: ReadFrame[] = [];

  constructor(options: {
    client: Client;
    keys: TopicKeys;
    partition: number;
    through: number;
    framesPerPage: number;
  }) {
    this.#client = options.client;
    this.#keys = options.keys;
    this.#partition = options.partition;
    this.#through = options.through;
    this.#framesPerPage = options.framesPerPage;
  }

  /** Waits for the store only. Rejects with the signal's reason, and as the store does for good. */
  async next(signal: AbortSignal): Promise<PageItem> {
    for (;;) {
      const frame = this.#page.shift();
      if (frame !== undefined) {
        this.#through = frame.revision;
        return { type: 'frame', frame };
      }
      const listing = this.#listing;
      if (listing !== undefined && listing.frames.length === 0 && listing.next === undefined) {
        this.#listing = undefined;
        this.#through = Math.max(this.#through, listing.revision);
        return { type: 'end', revision: listing.revision };
      }
      const removal = await this.#goOn(listing, signal);
      if (removal.upTo <= this.#through) continue;
      this.#through = removal.upTo;
      this.#page = this.#page.filter(({ revision }) => revision > removal.upTo);
      return { type: 'removed', removal };
    }
  }

  /** The next read. Answers what is removed as of it. */
  async #goOn(listing: Listing | undefined, signal: AbortSignal): Promise<Removal> {
    if (listing === undefined) return this.#list(await this.#segmentBehind(signal), signal);
    if (listing.frames.length > 0) return this.#fill(listing.frames, signal);
    return this.#list(listing.next ?? 0, signal);
  }

  /** The one in which that is which was put right after what was given. */
  #segmentBehind(signal: AbortSignal): Promise<number> {
    const client = this.#client;
    const keys = this.#keys;
    return retrying(client, signal, async () => {
      const options = { timeoutMs: readTimeoutMs, signal };
      const all = { ...keys.segments, keysOnly: true, limit: 1 };
      if (this.#through > 0) {
        const sort = { target: 'create', order: 'descend' } as const;
        const last = { ...all, maxCreateRevision: this.#through, sort };
        const [found] = (await client.store.range(last, options)).kvs;
        if (found !== undefined) return keys.segmentOf(found.key) ?? 0;
      }
      const [first] = (await client.store.range(all, options)).kvs;
      return (first && keys.segmentOf(first.key)) ?? 0;
    });
  }

  async #list(segment: number, signal: AbortSignal): Promise<Removal> {
    const keys = this.#keys;
    const after: RangeOp = {
      ...{ type: 'range', key: keys.segment(segment + 1), rangeEnd: keys.segments.rangeEnd },
      ...{ limit: 1, keysOnly: true },
    };
    const success: RangeOp[] = [
      get(keys.removal(this.#partition)),
      { type: 'range', ...keys.framesOf(this.#partition, segment), keysOnly: true },
      after,
    ];
    const { replies, revision } = await this.#read(success, signal);
    const next = keyIn(replies[2]);
    this.#listing = {
      revision,
      next: next && keys.segmentOf(next.key),
      frames: listedFrames(keysIn(replies[1])).filter((frame) => frame.revision > this.#through),
    };
    return removalIn(keyIn(replies[0]));
  }

  /** Takes a page of those that are listed. */
  async #fill(listed: ListedFrame[], signal: AbortSignal): Promise<Removal> {
    let bytes = 0;
    let count = 0;
    for (const frame of listed) {
      bytes += frame.bytes;
      if (count > 0 && (count === this.#framesPerPage || bytes > bytesPerPage)) break;
      count += 1;
    }
    const wanted = listed.slice(0, count).map(({ key }) => get(key));
    const { replies } = await this.#read([get(this.#keys.removal(this.#partition)), ...wanted], signal);
    listed.splice(0, count);
    this.#page = replies.slice(1).flatMap((reply) => readFrame(keyIn(reply)) ?? []);
    return removalIn(keyIn(replies[0]));
  }

  #read(success: readonly RangeOp[], signal: AbortSignal) {
    const options = { timeoutMs: readTimeoutMs, signal };
    return retrying(this.#client, signal, () => this.#client.store.txn(txnOf({ success }), options));
  }
}

/** Undefined for a key that is gone, or is no frame's. */
export function readFrame(kv: KeyValue | undefined): ReadFrame | undefined {
  const listed = kv && listedFrame(kv);
  return listed && { ...listed, value: kv.value };
}
