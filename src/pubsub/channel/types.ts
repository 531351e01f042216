import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { QuorateError } from '../../errors.js';
import type { TransactionGuard } from '../../guard/index.js';
import type { WaitOptions } from '../../runtime/index.js';
import type { Codec } from '../../store/index.js';

export interface ChannelOptions<T> {
  /**
   * Default: JSON. What `encode` answers is kept until it is sent, not copied: it must be a new array each time, or one that does
   * not change any more.
   */
  codec?: Codec<T> | undefined;
  /**
   * What messages must be, in any library of standardschema.dev (Zod, Valibot, ArkType…). They are validated when they are
   * published, and sent as they were given; and again when they arrive, where what the schema makes of them is handed on.
   * It may be asynchronous; then do not change a message before `publish` has resolved, and calls after it wait for it.
   */
  schema?: StandardSchemaV1<unknown, T> | undefined;
}

export interface ChannelPublishOptions extends WaitOptions {
  /** The store refuses the message with `fenced` once this has ended. */
  guard?: TransactionGuard | undefined;
}

/** Where a message stands: the revision that published it, and its place among those that were published with it, from 0. */
export interface ChannelPlace {
  readonly revision: number;
  readonly index: number;
}

/**
 * How far somebody has got: plain data, to be stored, and given to `subscribe({ after })` in whatever process. Every item of a
 * subscription is one, and so is what `publish` answers. Without `index`: the whole revision is done.
 */
export interface ChannelPosition {
  readonly revision: number;
  readonly index?: number | undefined;
  /** Of which channel, for who subscribes to several. */
  readonly channel?: string | undefined;
}

export interface ChannelMessage<T> extends ChannelPlace {
  readonly type: 'message';
  readonly channel: string;
  /** The same object for all subscribers of this `Channel` object: do not change it. */
  readonly payload: T;
}

/** Something was published that the codec or the schema refuses, or was put into the key by something else. */
export interface UnreadableMessage extends ChannelPlace {
  readonly type: 'unreadable';
  readonly channel: string;
  readonly error: QuorateError;
}

/** Messages that this subscriber is not told: of these revisions, both included. */
export interface ChannelGap {
  readonly type: 'gap';
  /**
   * - `compacted`: the store's history does not reach back to them any more. Of the first of these revisions some may have been
   *   told, if the position lay within it.
   * - `dropped`: the subscriber was too slow, and has `drop-oldest`. Of the first and the last of these revisions some may have
   *   been told.
   * - `missing`: the store's watch left them out, as the versions of the key show, which a watch never does.
   */
  readonly reason: 'compacted' | 'dropped' | 'missing';
  readonly fromRevision: number;
  readonly toRevision: number;
  /** The last revision that is missing, and for `dropped` the last message. */
  readonly revision: number;
  readonly index: number | undefined;
  /** The one of which something is missing, if it is one. */
  readonly channel: string | undefined;
  /** How many messages, where that is known: always for `dropped`, unless what was dropped has a gap in it. */
  readonly messages: number | undefined;
}

/** What a subscriber is told, in order. */
export type ChannelItem<T> = ChannelMessage<T> | UnreadableMessage | ChannelGap;

/** What becomes of a subscriber that has not taken `bufferSize` messages yet. */
export type WhenFull = 'wait' | 'drop-oldest' | 'fail';

export interface SubscribeOptions<T> extends WaitOptions {
  /**
   * Begins after this position, or after this whole revision, as far as history reaches; 0: at the beginning. Default: with
   * what is published from now on.
   */
  after?: ChannelPosition | number | undefined;
  /**
   * - `wait` (default): it leaves the others, and reads on from the store's history at its own pace, until it has caught up.
   *   Nothing is missing but what compaction takes meanwhile. More that is published at once is kept for who had taken all before.
   * - `drop-oldest`: the oldest that it has not taken is dropped, and told as a gap.
   * - `fail`: it ends with `over-limit`.
   */
  whenFull?: WhenFull | undefined;
  /** How many messages may wait for this subscriber in memory, from 1 to 65,536. Default 1,024. */
  bufferSize?: number | undefined;
  /**
   * Is told every item, in place of iteration, and as soon as it arrives. If it answers a promise, the next item waits for that.
   * What it throws is reported as a process warning, and it is told the next.
   */
  onItem?: ((item: ChannelItem<T>) => void | Promise<void>) | undefined;
  /** Ends the subscription, without an error; before it has begun, with `aborted`. */
  signal?: AbortSignal | undefined;
  /** For the joining alone. Default 10 s. */
  timeoutMs?: number | undefined;
}
