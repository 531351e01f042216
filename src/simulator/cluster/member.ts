import type { SeededRandom } from '../random.js';

/** How long a member takes to apply what was committed, when nothing is wrong. */
const usualLagMs = 1.5;

/**
 * One etcd member: who it can talk to, and how far it has applied what the cluster committed. The keys themselves stand
 * in the one engine of the cluster; a member that lags shows an earlier revision of them.
 */
export class Member {
  readonly index: number;
  readonly name: string;
  /** Seconds of its clock for each true one. */
  readonly clockRate: number;
  isUp = true;
  /** It stands still: what reaches it waits. */
  frozen = 0;
  /** Counts of faults that are upon it now. */
  deaf = 0;
  mute = 0;
  lagging = 0;
  /** Not before then does it know again that it does not lead any more. */
  believesToLeadUntilMs = 0;
  readonly #random: SeededRandom;
  #applied = 1;
  #pending: { readonly atMs: number; readonly revision: number }[] = [];
  /** Something was committed that did not reach it. */
  isBehind = false;

  constructor(index: number, clockRate: number, random: SeededRandom) {
    this.index = index;
    this.name = `etcd-${index}`;
    this.clockRate = clockRate;
    this.#random = random;
  }

  get isAwake(): boolean {
    return this.isUp && this.frozen === 0;
  }

  /** The revision up to which it has applied everything. */
  applied(nowMs: number): number {
    while (this.#pending.length > 0 && (this.#pending[0]?.atMs ?? 0) <= nowMs) {
      this.#applied = Math.max(this.#applied, this.#pending.shift()?.revision ?? 0);
    }
    return this.#applied;
  }

  /** When it will have applied everything that it has heard of; the past if it has. */
  get upToDateAtMs(): number {
    return this.#pending.at(-1)?.atMs ?? 0;
  }

  /** It hears of a commit. Answers when it will have applied it. */
  learn(revision: number, nowMs: number): number {
    const longestMs = this.lagging > 0 ? 1_000 : usualLagMs;
    const earliestMs = this.#pending.at(-1)?.atMs ?? 0;
    const atMs = Math.max(earliestMs, nowMs + this.#random.next() * longestMs);
    this.#pending.push({ atMs, revision });
    return atMs;
  }

  /** It has applied everything at once: as who leads has. */
  catchUp(revision: number): void {
    this.#pending = [];
    this.#applied = Math.max(this.#applied, revision);
    this.isBehind = false;
  }
}
