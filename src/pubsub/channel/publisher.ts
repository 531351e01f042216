/**
 * How messages of one `Channel` object get into its key: in the order of the calls, in frames, one commit under way at a time.
 *
 *     {put m := frame}            in a group of the exactly-once store; under a guard: IF guard THEN {put m := frame}
 *
 * There is no timer. What is published while a commit is under way goes with the next, up to so many messages and bytes; what is
 * published in one turn goes together. A call is never divided. Those under different guards do not share a frame.
 *
 * - *Reply lost*: the exactly-once store settles it.
 * - *The caller stops waiting*: what was not sent is dropped. What was sent may still be published (`unknown`); once nobody
 *   waits for any of a frame its commit is given up, and the store sees to it that it is not applied long after. Calls after
 *   that do not wait for its fate, so of all messages that one alone may come after later ones.
 * - *The frame is too large for this server*: it was not applied; smaller ones are sent.
 * - *A session is lost*: only what is published under a guard of that session asks for it, and is refused.
 * - *The process pauses*: what waits is sent when it wakes, unless its caller's time is over by then.
 * - *History compacted*: matters only where a reply was lost too: what the store cannot find out any more is `unknown`.
 */
import { isQuorateError, QuorateError } from '../../errors.js';
import { commitUnder } from '../../guard/index.js';
import { Deadlines } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import type { CallOptions, Key, PutOp, TxnReply } from '../../store/index.js';
import { encodeFrame, frameOverhead } from './frame.js';
import { Submission, type SubmissionOptions, type SubmissionState } from './submission.js';
import type { ChannelPlace } from './types.js';

/** A frame beyond this gains nothing, and holds up those behind it. */
const messagesPerFrame = 1_024;
const bytesPerFrame = 1_000_000;
/** What one call may publish. */
export const mostMessagesPerCall = 16_384;
export const mostBytesPerCall = 1_572_864 - 8_192;
/** What may wait to be sent, of all calls. */
const mostWaitingBytes = 64 * 1_024 * 1_024;
const mostWaitingCalls = 262_144;
/** So many that are over may stand among those that wait, if they are not the most of them. */
const mostOver = 1_024;

export class Publisher {
  readonly #client: Client;
  readonly #key: Key;
  readonly #deadlines: Deadlines;
  /** In the order of the calls; some that are over too, which have let their messages go. */
  #waiting: Submission[] = [];
  /** How many of those that wait are over, at least. */
  #overCount = 0;
  #waitingBytes = 0;
  #frameBytes = bytesPerFrame;
  #isRunning = false;

  constructor(client: Client, key: Key) {
    this.#client = client;
    this.#key = key;
    this.#deadlines = new Deadlines(client.runtime);
  }

  /** Takes its place in the order at once, whenever its messages are there. Resolves with where the first of them stands. */
  submit(
    messages: readonly Uint8Array[] | Promise<readonly Uint8Array[]>,
    options: SubmissionOptions,
  ): Promise<ChannelPlace> {
    const deadlineMs = this.#client.runtime.monotonicMs() + options.timeoutMs;
    const submission = new Submission(options, deadlineMs, this.#deadlines, this.#onOver);
    this.#waiting.push(submission);
    // What is not sent in this turn is behind a commit, or behind one whose schema has not answered.
    if (this.#isRunning || this.#waiting.length > 1 || messages instanceof Promise) submission.wait();
    if (this.#waiting.length > mostWaitingCalls) submission.reject(tooManyWait());
    if (messages instanceof Promise) {
      messages.then(
        (encoded) => this.#encoded(submission, encoded),
        (error: unknown) => submission.reject(error),
      );
    } else this.#encoded(submission, messages);
    return submission.published;
  }

  /** It keeps nothing, and holds up nobody any more. What was sent is no longer among those that wait. */
  readonly #onOver = (submission: Submission, before: SubmissionState): void => {
    if (before === 'sent') return;
    this.#waitingBytes -= submission.bytes;
    submission.letGo();
    if (this.#waiting.at(-1) === submission) this.#waiting.pop();
    else this.#overCount += 1;
    if (this.#overCount > mostOver && this.#overCount * 2 > this.#waiting.length) {
      this.#waiting = this.#waiting.filter(({ state }) => state !== 'over');
      this.#overCount = 0;
    }
    if (before === 'encoding') this.#start();
  };

  #encoded(submission: Submission, messages: readonly Uint8Array[]): void {
    submission.encoded(messages);
    if (submission.state !== 'waiting') return;
    this.#waitingBytes += submission.bytes;
    const size = submission.bytes - messages.length + frameOverhead(messages.length);
    if (size > mostBytesPerCall) submission.reject(tooLarge(size));
    else if (this.#waitingBytes > mostWaitingBytes) submission.reject(tooManyWait());
    // One that was refused may have held up others until now.
    this.#start();
  }

  #start(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    // A microtask later, so that calls of the same turn travel together.
    queueMicrotask(() => void this.#run());
  }

  async #run(): Promise<void> {
    for (;;) {
      const frame = this.#take();
      if (frame.length === 0) break;
      await this.#send(frame);
    }
    this.#isRunning = false;
  }

  /** The next frame, in the order of the calls: up to one that is not encoded yet, or that is under another guard. */
  #take(): readonly Submission[] {
    const frame: Submission[] = [];
    let taken = 0;
    let messages = 0;
    let bytes = 0;
    for (const submission of this.#waiting) {
      const { state } = submission;
      if (state === 'encoding') break;
      if (state !== 'over') {
        const [first = submission] = frame;
        const count = messages + submission.messages.length;
        const size = bytes + submission.bytes;
        const fits = count <= messagesPerFrame && size <= this.#frameBytes;
        if (frame.length > 0 && (!fits || submission.guard !== first.guard)) break;
        frame.push(submission);
        messages = count;
        bytes = size;
      }
      taken += 1;
    }
    this.#waitingBytes -= bytes;
    this.#waiting = this.#waiting.slice(taken);
    this.#overCount = Math.max(0, this.#overCount - (taken - frame.length));
    return frame;
  }

  async #send(frame: readonly Submission[]): Promise<void> {
    const [first] = frame;
    const messages = frame.length === 1 && first !== undefined ? first.messages : frame.flatMap(messagesOf);
    const put: PutOp = { type: 'put', key: this.#key, value: encodeFrame(messages) };
    const request = { compare: [], success: [put], failure: [] };
    const limits = this.#limitsOf(frame);
    let reply: TxnReply;
    try {
      reply = await (first?.guard === undefined
        ? this.#client.store.txn(request, limits)
        : commitUnder(this.#client, first.guard, request, limits));
    } catch (error) {
      this.#failed(frame, error);
      return;
    }
    // What made frames small may have been what else travelled in the same request.
    this.#frameBytes = Math.min(bytesPerFrame, this.#frameBytes + 64 + (this.#frameBytes >>> 6));
    let index = 0;
    for (const submission of frame) {
      submission.resolve({ revision: reply.revision, index });
      index += submission.messages.length;
    }
  }

  /** How long the commit is waited for: as long as anybody waits for any of it. */
  #limitsOf(frame: readonly Submission[]): CallOptions {
    let lastMs = 0;
    for (const { deadlineMs } of frame) lastMs = Math.max(lastMs, deadlineMs);
    const timeoutMs = Math.max(1, lastMs - this.#client.runtime.monotonicMs());
    const [only] = frame;
    if (frame.length === 1 && only !== undefined) {
      only.send({ ownLimits: true });
      return { signal: only.signal, timeoutMs };
    }
    // Who waits the longest is told by the commit itself what became of it, unless a signal ends that wait.
    for (const each of frame) {
      each.send({ ownLimits: each.deadlineMs === lastMs && each.signal === undefined });
    }
    if (frame.every(({ signal }) => signal === undefined)) return { timeoutMs };
    const nobodyWaits = new AbortController();
    const look = () => {
      if (frame.every(({ state }) => state === 'over')) nobodyWaits.abort();
    };
    for (const { published } of frame) published.catch(look);
    return { signal: nobodyWaits.signal, timeoutMs };
  }

  #failed(frame: readonly Submission[], error: unknown): void {
    if (frame.length > 1 && isQuorateError(error, 'request-too-large') && error.outcome === 'not-applied') {
      const bytes = frame.reduce((sum, submission) => sum + submission.bytes, 0);
      this.#frameBytes = Math.floor(Math.min(this.#frameBytes, bytes) / 2);
      const again = frame.filter((submission) => submission.putBack());
      for (const submission of again) this.#waitingBytes += submission.bytes;
      this.#waiting = [...again, ...this.#waiting];
      return;
    }
    const told = isQuorateError(error)
      ? error
      : new QuorateError('internal', 'publishing failed in an unforeseen way', {
          cause: error,
          outcome: 'unknown',
        });
    for (const submission of frame) submission.reject(told);
  }
}

function messagesOf({ messages }: Submission): readonly Uint8Array[] {
  return messages;
}

function tooLarge(bytes: number): QuorateError {
  const message = `what is published together has ${bytes} bytes, more than one request can carry: at most ${mostBytesPerCall}`;
  return new QuorateError('request-too-large', message, { details: { bytes, limit: mostBytesPerCall } });
}

function tooManyWait(): QuorateError {
  const message = `more than ${mostWaitingBytes} bytes, or ${mostWaitingCalls} calls, wait to be published: wait for those that were published before`;
  return new QuorateError('over-limit', message, { details: { limit: mostWaitingBytes } });
}
