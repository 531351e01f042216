/**
 * Moves the cursor of one partition, for its owner:
 *
 *     IF create(g/<group>/o/<partition>) = my term, mod(c/<group>/<partition>) = as last seen
 *     THEN put c/…, [put D/…]
 *
 * One write at a time; what is acknowledged meanwhile is in the next one. Refused, the partition has another owner, or
 * somebody moved the cursor: this owner is over, and whatever it has not written is handed out again by the next. The same where
 * nobody can tell whether the write took effect: the cursor is read again before anything else is done.
 *
 * - *Reply lost*: the exactly-once store finds out, and what was acknowledged is confirmed then. History compacted meanwhile: it may
 *   not be able to, and the acknowledgements fail with outcome `unknown`.
 * - *Session lost, this process pauses*: the owner's key goes with the lease, and its create revision does not come again: what is
 *   written after that is refused, and the acknowledgements with it.
 */

import { isPassing, isQuorateError, QuorateError } from '../../../errors.js';
import { Backoff, sleep } from '../../../runtime/index.js';
import type { Client } from '../../../session/index.js';
import { compare, type Key, type Op, put, txnOf } from '../../../store/index.js';
import { asQuorateError } from '../failures.js';
import { type Cursor, encodeCursor } from './cursor.js';

const retryDelay = { firstMs: 20, longestMs: 1_000 };
const writeTimeoutMs = 60_000;

/** What is put with the cursor, one in a request, since it may be as large as that can be; and what the cursor then says of it. */
export interface Beside {
  readonly op: Op;
  /** Called before the cursor is encoded that goes with it; more than once if that is tried again. */
  apply(): void;
}

interface Waiting {
  /** It is written when this is. */
  readonly beside: Beside | undefined;
  resolve(): void;
  reject(error: QuorateError): void;
}

export class CursorWriter {
  readonly #client: Client;
  readonly #ownerKey: Key;
  readonly #term: number;
  readonly #cursorKey: Key;
  readonly #cursor: () => Cursor;
  readonly #onFenced: (error: QuorateError) => void;
  readonly #signal: AbortSignal;
  #mod: number;
  #waiting: Waiting[] = [];
  #isDirty = false;
  #running: Promise<void> | undefined;
  #failure: QuorateError | undefined;

  constructor(options: {
    client: Client;
    ownerKey: Key;
    term: number;
    cursorKey: Key;
    /** The revision that wrote it last; 0: it is not there. */
    mod: number;
    /** As it is to be written. */
    cursor: () => Cursor;
    onFenced: (error: QuorateError) => void;
    /** Ends it. */
    signal: AbortSignal;
  }) {
    this.#client = options.client;
    this.#ownerKey = options.ownerKey;
    this.#term = options.term;
    this.#cursorKey = options.cursorKey;
    this.#mod = options.mod;
    this.#cursor = options.cursor;
    this.#onFenced = options.onFenced;
    this.#signal = options.signal;
  }

  /** Resolves when the cursor is written as it is now, or later. `beside`: in the same revision. */
  write(beside?: Beside): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    this.#isDirty = true;
    const written = new Promise<void>((resolve, reject) => this.#waiting.push({ beside, resolve, reject }));
    // A microtask later, so that what is acknowledged in the same turn is written together.
    this.#running ??= Promise.resolve().then(() => this.#writeAll());
    return written;
  }

  /** Resolves when nothing is left to be written, or nothing can be any more. */
  async flushed(): Promise<void> {
    await this.#running;
  }

  async #writeAll(): Promise<void> {
    const backoff = new Backoff(this.#client.runtime, retryDelay);
    try {
      while (this.#isDirty) {
        this.#isDirty = false;
        const due = this.#takeDue();
        if (await this.#attempt(due)) continue;
        this.#waiting.unshift(...due);
        this.#isDirty = true;
        await sleep(this.#client.runtime, backoff.nextMs(), { signal: this.#signal });
      }
    } catch (error) {
      this.#fail(asQuorateError(error));
    } finally {
      this.#running = undefined;
    }
  }

  /** All that wait for the cursor alone, and the first of those for whom something is put with it. */
  #takeDue(): readonly Waiting[] {
    const first = this.#waiting.find(({ beside }) => beside !== undefined);
    const due = this.#waiting.filter((one) => one.beside === undefined || one === first);
    this.#waiting = this.#waiting.filter((one) => one.beside !== undefined && one !== first);
    if (this.#waiting.length > 0) this.#isDirty = true;
    return due;
  }

  /** False if it certainly was without effect, and may be tried again. */
  async #attempt(due: readonly Waiting[]): Promise<boolean> {
    const beside = due.flatMap((one) => one.beside ?? []);
    for (const { apply } of beside) apply();
    const request = txnOf({
      compare: [
        compare.create(this.#ownerKey, 'equal', this.#term),
        compare.mod(this.#cursorKey, 'equal', this.#mod),
      ],
      success: [put(this.#cursorKey, encodeCursor(this.#cursor())), ...beside.map(({ op }) => op)],
    });
    try {
      const options = { timeoutMs: writeTimeoutMs, signal: this.#signal };
      const { succeeded, revision } = await this.#client.store.txn(request, options);
      if (!succeeded) throw fenced(this.#cursorKey);
      this.#mod = revision;
      for (const { resolve } of due) resolve();
      return true;
    } catch (error) {
      if (isPassing(error) && !this.#signal.aborted) return false;
      const failure = this.#inItsWords(asQuorateError(error));
      for (const { reject } of due) reject(failure);
      throw failure;
    }
  }

  /** Given up, it failed of what ended it; what was sent may have been applied all the same. */
  #inItsWords(error: QuorateError): QuorateError {
    const reason: unknown = this.#signal.reason;
    if (!this.#signal.aborted || !isQuorateError(reason)) return error;
    return new QuorateError(reason.code, reason.message, { outcome: error.outcome, cause: error });
  }

  #fail(error: QuorateError): void {
    this.#failure = error;
    for (const { reject } of this.#waiting.splice(0)) reject(error);
    this.#onFenced(error);
  }
}

function fenced(cursorKey: Key): QuorateError {
  return new QuorateError('fenced', `${cursorKey} is another owner's by now, or was moved by somebody`);
}
