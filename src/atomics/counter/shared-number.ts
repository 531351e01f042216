/**
 * A number under one key that many processes change, and many callers of each.
 *
 * **Protocol.** The key k holds the number as decimal text, without a lease; where it is absent, the number is what all were told
 * to begin with. Calls that wait at the same moment travel together: each is a function of the number, and they are applied
 * one after the other, in the order of the calls, to the number as it was last seen, of revision m (0: absent). What comes of
 * it is written by `IF mod(k) = m THEN put k ELSE get k`. Each caller is then answered by its own function: as if its call
 * had been alone, at that revision. Refused, all are applied anew to what stands there now.
 *
 * Where no function changes anything (an addition of 0, a comparison that fails, a bound that is met) nothing is written, and
 * the answers hold if the number has been read since the calls came; so it is, unless the try before has just told it.
 *
 * **Who waits for what.** One request of an object is on its way at a time, and what comes meanwhile travels in the next. Of
 * processes that try at a time one succeeds, with all its callers; another tries again at once. Who is refused twice within a second
 * takes it for a crowd: for a second after the last sign of it, its batches are transactions that stand in the line of the key,
 * with the same compare (stm/atomically.ts).
 *
 * **When things go wrong.** Reply lost: settled by the exactly-once store, so an addition counts once; where history was compacted
 * meanwhile, its callers are told that nobody knows. A caller gives up: before its batch is sent, in line or not, it is left out; after
 * that, it is told that nobody knows, and if the batch is refused, left out of the next. The process pauses or dies: what was on its way
 * is applied once, or refused. The key says what is no number: calls fail with `codec`, and it is left as it is.
 *
 * **Wrong:** to add again after an outcome that nobody knows (counted twice); to put without a compare (additions are lost);
 * to refuse by what was seen before (it may have changed long ago); to answer everybody with the number at the end.
 */
import { isPermanent, QuorateError } from '../../errors.js';
import {
  Backoff,
  checkWaitOptions,
  defaultTimeoutMs,
  sharedController,
  sleep,
  type WaitOptions,
} from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import {
  bytesOf,
  type Codec,
  compare,
  get,
  type Key,
  type KeyValue,
  put,
  textOf,
} from '../../store/index.js';
import { Crowd } from '../crowd.js';
import { runAtomically } from '../stm/atomically.js';
import { rulesOf } from '../stm/isolation.js';
import type { CommitWitness } from '../stm/options.js';
import type { NumberOp } from './number-op.js';
import { WaitingCall } from './waiting-call.js';

/** So many calls travel together at most: to apply them must not hold up the process. */
const largestBatch = 10_000;
const asText: Codec<string> = { encode: bytesOf, decode: textOf };
const inLine = { rules: rulesOf('serializable-snapshot'), maxConflicts: Number.POSITIVE_INFINITY };
const readRetry = { firstMs: 10, longestMs: 1_000 };

/** The number as of a revision at which it was seen. */
interface Seen {
  readonly count: number;
  /** Revision of its write; 0: it is absent. */
  readonly mod: number;
}

export interface SharedNumberOptions {
  readonly client: Client;
  readonly key: Key;
  /** What it is where nobody has written it. */
  readonly initial: number;
  /** For messages: `counter "visits"`. */
  readonly owner: string;
}

export class SharedNumber {
  readonly #client: Client;
  readonly #key: Key;
  readonly #initial: number;
  readonly #owner: string;
  readonly #crowd: Crowd;
  #waiting: WaitingCall[] = [];
  #isServing = false;
  /** The newest that was seen. Stale at worst, which the compare finds out. */
  #seen: Seen | undefined;

  constructor({ client, key, initial, owner }: SharedNumberOptions) {
    this.#client = client;
    this.#key = key;
    this.#initial = initial;
    this.#owner = owner;
    this.#crowd = new Crowd(client.runtime);
  }

  /** One read. */
  async get(options: WaitOptions, doing: string): Promise<number> {
    checkWaitOptions(options, doing);
    const { signal, timeoutMs = defaultTimeoutMs } = options;
    const { kvs } = await this.#client.store.range({ key: this.#key }, { signal, timeoutMs });
    return this.#seenIn(kvs[0]).count;
  }

  /** Applies it once. Rejects with what it throws, too. */
  change<R>(op: NumberOp<R>, options: WaitOptions, doing: string): Promise<R> {
    checkWaitOptions(options, doing);
    const { signal, timeoutMs = defaultTimeoutMs } = options;
    const call = new WaitingCall(op, this.#client.runtime, { signal, timeoutMs }, doing);
    this.#waiting.push(call as unknown as WaitingCall);
    if (!this.#isServing) void this.#serveAll();
    return call.answer;
  }

  async #serveAll(): Promise<void> {
    this.#isServing = true;
    // Those of the same tick travel together.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, largestBatch);
      try {
        await this.#serve(batch, overSignal(batch));
      } catch (error) {
        this.#seen = undefined;
        for (const call of batch) call.reject(error);
      }
    }
    this.#isServing = false;
  }

  /** Until every call of the batch has its answer. `over` fires when they have, or nobody waits any more. */
  async #serve(batch: readonly WaitingCall[], over: AbortSignal): Promise<void> {
    /** It has been seen since the calls came. */
    let isFresh = false;
    while (!over.aborted) {
      if (this.#seen === undefined) {
        this.#seen = await this.#read(over);
        isFresh = true;
      }
      const seen = this.#seen;
      const { count, answers } = applied(batch, seen.count);
      if (count === seen.count) {
        if (isFresh) return settle(answers);
        this.#seen = undefined;
        continue;
      }
      if (this.#crowd.isThere) {
        if (await this.#serveInLine(batch, over)) return;
        continue;
      }
      const after = await this.#write(batch, seen, count, over);
      if (after === undefined) return settle(answers);
      this.#crowd.refused();
      this.#seen = after;
      isFresh = true;
    }
  }

  /**
   * As a transaction, which stands in the line of the key. False if it came to nothing: a call whose answer was to be part of
   * that was given up.
   */
  async #serveInLine(batch: readonly WaitingCall[], signal: AbortSignal): Promise<boolean> {
    let taken: readonly WaitingCall[] = [];
    // Who gave up since was told that its call was not applied, so what was made of it is not to be written.
    const wasLeft = () => taken.some(({ isOver }) => isOver);
    const witness: CommitWitness = {
      sends: () => {
        if (wasLeft()) return false;
        for (const call of taken) call.markSent();
        return true;
      },
      refused: () => {
        for (const call of taken) call.markWaiting();
      },
    };
    const { value, revision, runs } = await runAtomically(
      this.#client,
      async (tx) => {
        const before = this.#countIn(await tx.get(this.#key, asText));
        taken = batch.filter(({ isOver }) => !isOver);
        const after = applied(taken, before);
        const isWritten = after.count !== before;
        if (isWritten) tx.put(this.#key, String(after.count), asText);
        return { ...after, isWritten };
      },
      { ...inLine, wait: { signal }, witness },
    );
    this.#crowd.ran(runs);
    this.#seen = value.isWritten ? { count: value.count, mod: revision } : undefined;
    if (!value.isWritten && wasLeft()) return false;
    settle(value.answers);
    return true;
  }

  /** Undefined if it was written; what stands there instead if it was refused. */
  async #write(
    batch: readonly WaitingCall[],
    seen: Seen,
    count: number,
    signal: AbortSignal,
  ): Promise<Seen | undefined> {
    for (const call of batch) call.markSent();
    const request = {
      compare: [compare.mod(this.#key, 'equal', seen.mod)],
      success: [put(this.#key, String(count))],
      failure: [get(this.#key)],
    };
    const options = { signal, timeoutMs: Number.POSITIVE_INFINITY };
    const { succeeded, revision, replies } = await this.#client.store.txn(request, options);
    if (succeeded) {
      this.#seen = { count, mod: revision };
      return undefined;
    }
    for (const call of batch) call.markWaiting();
    const [reply] = replies;
    return this.#seenIn(reply?.type === 'range' ? reply.kvs[0] : undefined);
  }

  /** Tried as long as somebody waits. */
  async #read(signal: AbortSignal): Promise<Seen> {
    const { store, runtime } = this.#client;
    const backoff = new Backoff(runtime, readRetry);
    for (;;) {
      try {
        return this.#seenIn((await store.range({ key: this.#key }, { signal })).kvs[0]);
      } catch (error) {
        if (signal.aborted || isPermanent(error)) throw error;
        await sleep(runtime, backoff.nextMs(), { signal });
      }
    }
  }

  #seenIn(kv: KeyValue | undefined): Seen {
    return { count: this.#countIn(kv && textOf(kv.value)), mod: kv?.modRevision ?? 0 };
  }

  #countIn(text: string | undefined): number {
    if (text === undefined) return this.#initial;
    const count = Number(text);
    if (/^-?\d+$/.test(text) && Number.isSafeInteger(count)) return count + 0;
    throw new QuorateError('codec', `what stands in ${this.#owner} is no whole number`, {
      details: { key: this.#key },
    });
  }
}

/** Fires when every call of the batch is over. */
function overSignal(batch: readonly WaitingCall[]): AbortSignal {
  const over = sharedController();
  let left = batch.filter(({ isOver }) => !isOver).length;
  if (left === 0) over.abort();
  for (const call of batch) {
    call.onOver = () => {
      left -= 1;
      if (left === 0) over.abort();
    };
  }
  return over.signal;
}

/** What the calls that somebody waits for make of the number, one after the other, and what each is answered. */
function applied(
  batch: readonly WaitingCall[],
  from: number,
): { readonly count: number; readonly answers: readonly (() => void)[] } {
  let count = from;
  const answers: (() => void)[] = [];
  for (const call of batch) {
    if (call.isOver) continue;
    try {
      const { next, answer } = call.op(count);
      count = next;
      answers.push(() => call.resolve(answer));
    } catch (error) {
      answers.push(() => call.reject(error));
    }
  }
  return { count, answers };
}

function settle(answers: readonly (() => void)[]): void {
  for (const answer of answers) answer();
}
