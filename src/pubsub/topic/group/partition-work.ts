/**
 * One partition in the hands of its owner: reads it from the cursor on, hands messages to the handler, and moves the cursor.
 *
 * Begun with the cursor as it stood when the partition was claimed, or read again, under this owner's term. Ended by being
 * released, by a refused write of the cursor (cursor-writer.ts), or with the session. What has ended is never gone on with: its
 * handlers are told by their signals, their acknowledgements are refused, and whoever comes next begins with the stored cursor.
 */
import { QuorateError } from '../../../errors.js';
import { sharedController } from '../../../runtime/index.js';
import type { Client } from '../../../session/index.js';
import { put } from '../../../store/index.js';
import { asQuorateError } from '../failures.js';
import type { GroupKeys, TopicKeys } from '../keys.js';
import { OneWaiter } from '../one-waiter.js';
import { PartitionReader } from '../reading/partition-reader.js';
import type { ConsumerEvent, ConsumerSettings } from './consume-options.js';
import type { Cursor } from './cursor.js';
import { CursorWriter } from './cursor-writer.js';
import { encodeDeadLetter, shortened } from './dead-letter.js';
import type { DeliveredMessage, EntryHooks } from './delivery.js';
import { type Entry, Progress } from './progress.js';
import { WorkQueue } from './work-queue.js';

/** What is handed to a handler: see {@link DeliveredMessage}. */
export type Deliver = (options: {
  readonly entry: Entry;
  readonly partition: number;
  readonly signal: AbortSignal;
  readonly hooks: EntryHooks;
}) => Promise<void>;

export interface WorkOptions {
  readonly client: Client;
  readonly keys: TopicKeys;
  readonly group: GroupKeys;
  readonly partition: number;
  /** The create revision of the owner's key. */
  readonly term: number;
  readonly cursor: Cursor;
  /** The revision that wrote it; 0: it is not there. */
  readonly cursorMod: number;
  /** As of when it was read. */
  readonly asOf: number;
  readonly settings: ConsumerSettings;
  /** Runs the handler; resolves when that has ended. Never rejects. */
  readonly deliver: Deliver;
  readonly tell: (event: ConsumerEvent) => void;
}

/** Why it ended: given away, or to be begun anew from the store if the partition is this member's still. */
export type WorkEnd =
  | { readonly type: 'released' }
  | { readonly type: 'fenced'; readonly error: QuorateError };

export class PartitionWork {
  readonly asOf: number;
  readonly term: number;
  /** Resolves when it is over: nothing of it is acknowledged any more. */
  readonly over: Promise<WorkEnd>;
  /** Resolves when it is over and every handler has ended. */
  readonly ended: Promise<void>;
  readonly #options: WorkOptions;
  readonly #progress: Progress;
  readonly #writer: CursorWriter;
  readonly #queue = new WorkQueue();
  /** The reader waits in it until something was passed. */
  readonly #room = new OneWaiter();
  /** Fires when it is over, by whatever reason: the signal of the handlers. */
  readonly #overSignal = sharedController();
  /** Fires when nothing more is to be begun. */
  readonly #stop = sharedController();
  #running = 0;
  #end: WorkEnd | undefined;
  #onIdle: () => void = () => {};
  #resolveOver!: (end: WorkEnd) => void;
  #resolveEnded!: () => void;

  constructor(options: WorkOptions) {
    const { client, group, partition, term, cursor, cursorMod, asOf } = options;
    this.#options = options;
    this.asOf = asOf;
    this.term = term;
    this.over = new Promise((resolve) => {
      this.#resolveOver = resolve;
    });
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    this.#progress = new Progress(cursor);
    this.#writer = new CursorWriter({
      ...{ client, term, ownerKey: group.owner(partition), cursorKey: group.cursor(partition) },
      ...{ mod: cursorMod, cursor: () => this.#progress.cursor(term), signal: this.#overSignal.signal },
      onFenced: (error) => this.#finish({ type: 'fenced', error }),
    });
    void this.#read();
  }

  get isOver(): boolean {
    return this.#end !== undefined;
  }

  /** Begins nothing more, waits for what is being handled, and writes the cursor. Then it is over. */
  async release(graceMs: number): Promise<void> {
    this.#stop.abort();
    if (this.#running > 0) {
      const { runtime } = this.#options.client;
      await new Promise<void>((resolve) => {
        const timer = runtime.setTimer(graceMs, resolve);
        this.#onIdle = () => {
          timer.cancel();
          resolve();
        };
        this.#overSignal.signal.addEventListener('abort', this.#onIdle, { once: true });
      });
    }
    await this.#writer.flushed();
    this.#finish({ type: 'released' });
  }

  /** Over at once: what is being handled is not to be acknowledged any more. */
  abandon(error: QuorateError): void {
    this.#finish({ type: 'fenced', error });
  }

  /** Reads as far ahead as it may. */
  async #read(): Promise<void> {
    const { client, keys, partition, settings, tell } = this.#options;
    if (this.#progress.stopped !== undefined) return;
    const { after, count } = this.#progress.cursor(0);
    const reader = new PartitionReader({
      ...{ client, keys, partition, from: { after, count }, follows: true },
      framesPerPage: settings.framesPerPage,
    });
    const { signal } = this.#stop;
    try {
      for (;;) {
        while (this.#progress.size >= settings.prefetch) await this.#room.woken(signal);
        const reading = await reader.next(signal);
        signal.throwIfAborted();
        if (reading.type === 'gap') {
          const gap = this.#progress.skip(reading.gap, reader.count);
          if (gap !== undefined) tell({ type: 'gap', gap });
          this.#write();
        } else if (reading.type === 'messages') {
          let wasDone = false;
          for (const message of reading.messages) {
            const entry = this.#progress.add(message);
            if (entry === undefined) wasDone = true;
            else this.#queue.add(entry);
          }
          // What was done above the cursor is passed now, and nobody will acknowledge it.
          if (wasDone) this.#write();
          this.#begin();
        }
      }
    } catch (error) {
      if (!signal.aborted) this.#finish({ type: 'fenced', error: asQuorateError(error) });
    } finally {
      reader.close();
    }
  }

  #begin(): void {
    while (this.#running < this.#options.settings.concurrency && !this.#stop.signal.aborted) {
      const entry = this.#queue.take();
      if (entry === undefined) return;
      this.#running += 1;
      void this.#handle(entry);
    }
  }

  async #handle(entry: Entry): Promise<void> {
    const { partition, deliver } = this.#options;
    let settle: () => void = () => {};
    const settled = new Promise<void>((resolve) => {
      settle = resolve;
    });
    const hooks = {
      acked: () => {
        settle();
        return this.#acknowledge(entry);
      },
      rejected: (reason: unknown) => {
        settle();
        this.#reject(entry, reason, false);
      },
      refused: (reason: unknown) => {
        settle();
        this.#reject(entry, reason, true);
      },
    };
    const { signal } = this.#overSignal;
    signal.addEventListener('abort', settle, { once: true });
    await deliver({ entry, partition, signal, hooks });
    await settled;
    signal.removeEventListener('abort', settle);
    this.#running -= 1;
    if (this.#running === 0) this.#onIdle();
    this.#settleEnded();
    this.#begin();
  }

  #acknowledge(entry: Entry): Promise<void> {
    if (this.#end !== undefined) return Promise.reject(this.#endError());
    this.#progress.finish(entry);
    return this.#passed(entry, this.#writer.write());
  }

  async #passed(entry: Entry, written: Promise<void>): Promise<void> {
    this.#queue.finish(entry);
    this.#room.wake();
    this.#begin();
    await written;
  }

  /** A handler that fails after its signal has fired has failed of that. */
  #reject(entry: Entry, reason: unknown, isForGood: boolean): void {
    const { partition, settings, tell } = this.#options;
    if (this.#end !== undefined) return;
    entry.failures += 1;
    const { revision, index } = entry.message;
    const at = { revision, index };
    tell({ type: 'failed', partition, at, attempt: entry.failures, error: reason });
    const isFinal = isForGood || entry.failures >= settings.attempts;
    if (!isFinal) {
      this.#write();
      this.#tryLater(entry);
    } else if (settings.onExhausted === 'stop') {
      this.#progress.stopped = { ...at, reason: shortened(reason) };
      tell({ type: 'stopped', partition, at, reason: shortened(reason) });
      this.#stop.abort();
      this.#write();
    } else this.#putAside(entry, shortened(reason));
  }

  #tryLater(entry: Entry): void {
    const { client, settings } = this.#options;
    const { firstMs, longestMs } = settings.retryDelay;
    const ceilingMs = Math.min(longestMs, firstMs * 2 ** Math.min(entry.failures - 1, 30));
    const timer = client.runtime.setTimer(ceilingMs * (1 - client.runtime.random() / 2), () => {
      this.#overSignal.signal.removeEventListener('abort', cancel);
      this.#queue.again(entry);
      this.#begin();
    });
    const cancel = () => timer.cancel();
    this.#overSignal.signal.addEventListener('abort', cancel, { once: true });
  }

  #putAside(entry: Entry, reason: string): void {
    const { group, partition, tell } = this.#options;
    const { message, failures } = entry;
    const at = { revision: message.revision, index: message.index };
    const op = put(group.deadLetter(partition, at), encodeDeadLetter(message, failures, reason));
    const written = this.#writer.write({ op, apply: () => this.#progress.finish(entry) });
    written.then(
      () => {
        tell({ type: 'dead-lettered', partition, at, reason });
        void this.#passed(entry, Promise.resolve());
      },
      () => {},
    );
  }

  #write(): void {
    this.#writer.write().catch(() => {});
  }

  #finish(end: WorkEnd): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#stop.abort();
    this.#overSignal.abort(this.#endError());
    this.#resolveOver(end);
    this.#settleEnded();
  }

  #settleEnded(): void {
    if (this.#running === 0 && this.#end !== undefined) this.#resolveEnded();
  }

  #endError(): QuorateError {
    if (this.#end?.type === 'fenced') return this.#end.error;
    return new QuorateError('fenced', `partition ${this.#options.partition} was given to another member`);
  }
}
