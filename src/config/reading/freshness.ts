import type { FreshnessProof } from '../../mirror/index.js';
import { AgeClock, type Instant, type Runtime } from '../../runtime/index.js';

/** A proof that was sent, and how far a reader must be to be as fresh as that. */
interface Shown {
  readonly order: number;
  readonly sentAt: Instant;
  readonly revision: number;
}

/** Of proofs that are ahead of readers only so many are remembered, the newest; forgetting one says nothing false. */
const mostShown = 32;

/**
 * How fresh readers are, who may be behind what is mirrored. Each proof is a linearizable read of the stamp, which every change
 * puts: readers who are given a revision not below the stamp's are given all that was committed before the proof was *sent*.
 * Ages are counted by every clock, when they are asked for.
 */
export class Freshness {
  readonly #clock: AgeClock;
  readonly #read: FreshnessProof;
  #sent = 0;
  #given = -1;
  /** The last that was answered. */
  #answered: Shown | undefined;
  #ahead: Shown[] = [];
  #fresh: Shown | undefined;
  /** Readers were known to be no older than `oldMs` at this moment. */
  #known: { readonly at: Instant; readonly oldMs: number } | undefined;

  constructor(runtime: Runtime, read: FreshnessProof) {
    this.#clock = new AgeClock(runtime);
    this.#read = read;
  }

  /** So old may be what readers are given, at most. Infinity: nothing is known. */
  get stalenessMs(): number {
    const byProof = this.#fresh && this.#clock.ageMs(this.#fresh.sentAt);
    const byMirror = this.#known && this.#clock.ageMs(this.#known.at) + this.#known.oldMs;
    const { POSITIVE_INFINITY: unknown } = Number;
    return Math.max(0, Math.min(byProof ?? unknown, byMirror ?? unknown));
  }

  /** Proofs that were sent so far. */
  get sent(): number {
    return this.#sent;
  }

  /** Whether readers are as fresh as a proof that was sent after so many others. */
  isFreshAfter(sent: number): boolean {
    return this.#fresh !== undefined && this.#fresh.order > sent;
  }

  readonly prove: FreshnessProof = async (options) => {
    this.#sent += 1;
    const order = this.#sent;
    const sentAt = this.#clock.now();
    const answer = await this.#read(options);
    this.#answered = { order, sentAt, revision: answer.revision };
    return answer;
  };

  /** The last that was answered proves something: the store was not put back, nor the stamp deleted. */
  proved(): void {
    if (this.#answered !== undefined) this.#show(this.#answered);
    this.#answered = undefined;
  }

  /** Readers are given this revision of the store now. `mirroredMs`: how old that may be, where nothing newer is mirrored. */
  given(revision: number, mirroredMs: number | undefined): void {
    this.#given = revision;
    if (mirroredMs !== undefined && mirroredMs < this.stalenessMs) {
      this.#known = { at: this.#clock.now(), oldMs: mirroredMs };
    }
    for (const shown of this.#ahead) if (shown.revision <= revision) this.#fulfil(shown);
    this.#ahead = this.#ahead.filter((shown) => shown.revision > revision);
  }

  #show(shown: Shown): void {
    if (shown.revision <= this.#given) {
      this.#fulfil(shown);
      return;
    }
    this.#ahead.push(shown);
    if (this.#ahead.length > mostShown) this.#ahead.shift();
  }

  #fulfil(shown: Shown): void {
    if (this.#fresh === undefined || shown.order > this.#fresh.order) this.#fresh = shown;
  }
}
