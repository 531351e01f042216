import type { TransactionGuard } from '../../guard/index.js';
import {
  abortedError,
  type Deadlines,
  type Expiring,
  offAbort,
  onAbort,
  timeoutError,
} from '../../runtime/index.js';
import type { ChannelPlace } from './types.js';

/**
 * - `encoding`: the schema has not answered yet.
 * - `waiting`: it can be sent.
 * - `sent`: a commit that carries it is under way.
 * - `over`: its caller has the answer, or has given up.
 */
export type SubmissionState = 'encoding' | 'waiting' | 'sent' | 'over';

export interface SubmissionOptions {
  readonly guard: TransactionGuard | undefined;
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number;
  readonly doing: string;
}

/** What one call publishes, and its caller's wait. */
export class Submission implements Expiring {
  readonly guard: TransactionGuard | undefined;
  readonly signal: AbortSignal | undefined;
  readonly deadlineMs: number;
  /** Where its first message stands. */
  readonly published: Promise<ChannelPlace>;
  messages: readonly Uint8Array[] = [];
  /** Of its messages, each with one byte for its length, so that none weighs nothing. */
  bytes = 0;
  readonly #timeoutMs: number;
  readonly #doing: string;
  readonly #deadlines: Deadlines;
  readonly #onOver: (submission: Submission, before: SubmissionState) => void;
  #state: SubmissionState = 'encoding';
  /** Its caller's limits are looked after here, and not by the commit. */
  #isWatched = false;
  #resolve: (published: ChannelPlace) => void = () => {};
  #reject: (error: unknown) => void = () => {};

  /** `onOver`: it has its answer, or is not waited for any more. Is told in what state it was before. */
  constructor(
    options: SubmissionOptions,
    deadlineMs: number,
    deadlines: Deadlines,
    onOver: (submission: Submission, before: SubmissionState) => void,
  ) {
    this.guard = options.guard;
    this.signal = options.signal;
    this.deadlineMs = deadlineMs;
    this.#timeoutMs = options.timeoutMs;
    this.#doing = options.doing;
    this.#deadlines = deadlines;
    this.#onOver = onOver;
    this.published = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  get state(): SubmissionState {
    return this.#state;
  }

  encoded(messages: readonly Uint8Array[]): void {
    if (this.#state !== 'encoding') return;
    this.messages = messages;
    for (const { length } of messages) this.bytes += length + 1;
    this.#state = 'waiting';
  }

  /** It may have to wait: from now on it notices that its caller gives up. What is sent in the turn of its call need not. */
  wait(): void {
    if (this.#isWatched || this.#state === 'over') return;
    this.#isWatched = true;
    this.#deadlines.add(this);
    const { signal } = this;
    if (signal?.aborted) this.#onAbort();
    else if (signal !== undefined) onAbort(signal, this.#onAbort);
  }

  /** A commit carries it; `ownLimits`: that one knows itself when the caller gives up, and with which outcome. */
  send({ ownLimits }: { readonly ownLimits: boolean }): void {
    this.#state = 'sent';
    if (ownLimits) this.#forgetCaller();
    else this.wait();
  }

  /** Nothing of the commit was applied, or ever will be: it can be sent again. False if nobody waits for it any more. */
  putBack(): boolean {
    if (this.#state !== 'sent') return false;
    this.#state = 'waiting';
    this.wait();
    return true;
  }

  /** It will never be sent: its messages are not kept. */
  letGo(): void {
    this.messages = [];
    this.bytes = 0;
  }

  resolve(published: ChannelPlace): void {
    if (this.#settle()) this.#resolve(published);
  }

  reject(error: unknown): void {
    if (this.#settle()) this.#reject(error);
  }

  expire(): void {
    const { outcome } = this;
    this.reject(timeoutError(this.#timeoutMs, this.#doing, { outcome }));
  }

  get outcome(): 'unknown' | 'not-applied' {
    return this.#state === 'sent' ? 'unknown' : 'not-applied';
  }

  readonly #onAbort = (): void => {
    const { signal } = this;
    if (signal !== undefined) this.reject(abortedError(signal, this.#doing, this.outcome));
  };

  #forgetCaller(): void {
    if (!this.#isWatched) return;
    this.#isWatched = false;
    this.#deadlines.remove(this);
    const { signal } = this;
    if (signal !== undefined) offAbort(signal, this.#onAbort);
  }

  #settle(): boolean {
    const before = this.#state;
    if (before === 'over') return false;
    this.#forgetCaller();
    this.#state = 'over';
    this.#onOver(this, before);
    return true;
  }
}
