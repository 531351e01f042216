import { isPermanent, QuorateError } from '../errors.js';
import { type AgeClock, Backoff, type Instant, linkedSignal, type Runtime, sleep } from '../runtime/index.js';
import type { FreshnessProof } from './types.js';

export interface ProofsOptions {
  readonly proof: FreshnessProof;
  readonly runtime: Runtime;
  readonly clock: AgeClock;
  /** No answer to a request that is sent now can be less, unless the stamp was deleted. */
  readonly seen: () => number;
  /** Fires when no more are wanted at all. */
  readonly ended: AbortSignal;
  /** Of each that is answered. */
  readonly proved: (proof: { readonly revision: number; readonly sentAt: Instant }) => void;
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
    const { proof, runtime, clock, seen, proved } = this.#options;
    const backoff = new Backoff(runtime, retryDelay);
    for (;;) {
      signal.throwIfAborted();
      const sentAt = clock.now();
      const least = Math.max(seen(), this.#highest);
      try {
        const revision = await proof({ signal, timeoutMs: attemptMs });
        signal.throwIfAborted();
        mustNotGoBack(revision, least);
        this.#highest = revision;
        proved({ revision, sentAt });
        return revision;
      } catch (error) {
        if (signal.aborted || isPermanent(error)) throw error;
        await sleep(runtime, backoff.nextMs(), { signal });
      }
    }
  }
}

/**
 * One stamp's revisions only ever grow. Where they do not, somebody has deleted it, with what else nobody can say, or the store was
 * restored from a backup: it proves nothing until it is put again.
 */
function mustNotGoBack(revision: number, least: number): void {
  if (revision >= least) return;
  const message = `a proof answered revision ${revision}, after ${least}: the stamp was deleted, or the store went back`;
  throw new QuorateError('unavailable', message, { details: { revision, least } });
}
