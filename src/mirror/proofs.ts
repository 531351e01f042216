import { isPermanent, QuorateError } from '../errors.js';
import { type AgeClock, Backoff, type Instant, linkedSignal, type Runtime, sleep } from '../runtime/index.js';
import type { FreshnessProof, ProofAnswer } from './types.js';

export interface ProofsOptions {
  readonly proof: FreshnessProof;
  readonly runtime: Runtime;
  readonly clock: AgeClock;
  /** No answer to a request that is sent now can be less, unless the stamp was deleted. */
  readonly seen: () => number;
  /** The store cannot stand below this, unless it was put back. */
  readonly stands: () => number;
  /** It was put back, and what is in memory was not read since: whatever it answers is no proof. */
  readonly isPutBack: () => boolean;
  /** Fires when no more are wanted at all. */
  readonly ended: AbortSignal;
  /** Of each that is answered. */
  readonly proved: (proof: ProofAnswer & { readonly sentAt: Instant }) => void;
  /** The store was put back: what was seen of it is of a history that is gone. May be told several times. */
  readonly wentBack: (error: QuorateError) => void;
}

interface Asking {
  readonly answer: Promise<number>;
  readonly abandoned: AbortController;
  wanted: number;
}

/** What is sent again after a while may be answered at once, where the first waits for a connection that is dead. */
const attemptMs = 2_000;
const retryDelay = { firstMs: 20, longestMs: 1_000 };

/** Proofs of freshness, one at a time, each for all who want one that is sent after they asked. */
export class Proofs {
  readonly #options: ProofsOptions;
  /** The last answer. */
  #highest = 0;
  /** Where the store stood then. */
  #highestOfStore = 0;
  /** How often what was answered was forgotten. */
  #histories = 0;
  #current: Asking | undefined;
  /** To be sent when the current one has been answered, which may have been evaluated before this one was asked for. */
  #next: Asking | undefined;

  constructor(options: ProofsOptions) {
    this.#options = options;
  }

  /** How many are under way, or wait for their turn: at most two. */
  get size(): number {
    return (this.#current === undefined ? 0 : 1) + (this.#next === undefined ? 0 : 1);
  }

  /**
   * The revision to reach, by a request that is sent after this call. Rejects for what trying again does not mend. `leave`: it is
   * not wanted any more; what nobody wants is given up.
   */
  ask(): { readonly answer: Promise<number>; readonly leave: () => void } {
    let asking: Asking;
    if (this.#current === undefined) {
      asking = this.#begin();
      this.#current = asking;
    } else {
      this.#next ??= this.#begin(this.#current);
      asking = this.#next;
    }
    asking.wanted += 1;
    let isWanted = true;
    return {
      answer: asking.answer,
      leave: () => {
        if (!isWanted) return;
        isWanted = false;
        asking.wanted -= 1;
        // One that is not sent yet may still be asked for by others.
        if (asking.wanted === 0 && asking !== this.#next) asking.abandoned.abort();
      },
    };
  }

  /** The store was put back, and what is in memory was read from it since: what it answered before says nothing of it now. */
  forget(): void {
    this.#highest = 0;
    this.#highestOfStore = 0;
    this.#histories += 1;
  }

  #begin(before?: Asking): Asking {
    const abandoned = new AbortController();
    const run = async () => {
      if (before !== undefined) {
        await before.answer.catch(() => {});
        this.#current = this.#next;
        this.#next = undefined;
        if (asking.wanted === 0) abandoned.abort();
      }
      const wanted = linkedSignal(abandoned.signal, this.#options.ended);
      try {
        return await this.#untilAnswered(wanted.signal);
      } finally {
        wanted.unlink();
        if (this.#next === undefined) this.#current = undefined;
      }
    };
    const asking: Asking = { answer: run(), abandoned, wanted: 0 };
    // All who asked may have gone.
    asking.answer.catch(() => {});
    return asking;
  }

  async #untilAnswered(signal: AbortSignal): Promise<number> {
    const { proof, runtime, clock, seen, stands, proved } = this.#options;
    const backoff = new Backoff(runtime, retryDelay);
    for (;;) {
      signal.throwIfAborted();
      const sentAt = clock.now();
      const least = Math.max(seen(), this.#highest);
      const leastOfStore = Math.max(stands(), this.#highestOfStore);
      const history = this.#histories;
      try {
        const { revision, storeRevision } = await proof({ signal, timeoutMs: attemptMs });
        signal.throwIfAborted();
        if (history !== this.#histories) continue;
        if (this.#options.isPutBack()) throw putBack(storeRevision);
        this.#mustNotBePutBack(storeRevision, leastOfStore);
        // Of a stamp that is there.
        if (revision > 0) this.#mustNotBePutBack(revision, least);
        mustNotGoBack(revision, least);
        this.#highest = revision;
        this.#highestOfStore = storeRevision;
        proved({ revision, storeRevision, sentAt });
        return revision;
      } catch (error) {
        if (signal.aborted || isPermanent(error)) throw error;
        await sleep(runtime, backoff.nextMs(), { signal });
      }
    }
  }

  /** The revisions of a store only ever grow, and those of a key that is there: where they do not, its history is another. */
  #mustNotBePutBack(revision: number, least: number): void {
    if (revision >= least) return;
    const error = putBack(revision, least);
    this.#options.wentBack(error);
    throw error;
  }
}

function putBack(revision: number, least?: number): QuorateError {
  const after = least === undefined ? '' : `, after ${least}`;
  const message = `a proof answered revision ${revision}${after}: the store was put back, from a backup say`;
  return new QuorateError('unavailable', message, { details: { revision, least } });
}

/** Where a stamp that was seen is not there, somebody has deleted it, with what else nobody can say: nothing is proved until it is put again. */
function mustNotGoBack(revision: number, least: number): void {
  if (revision >= least) return;
  const message = `a proof found no stamp, after one of revision ${least}: it was deleted`;
  throw new QuorateError('unavailable', message, { details: { revision, least } });
}
