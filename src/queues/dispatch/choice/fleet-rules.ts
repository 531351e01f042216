/**
 * What operators have decided, as the dispatcher knows it, and how many jobs it therefore may give out now.
 *
 * **Control.** Every assignment names the revision of the control (`h/ctl`) that it was planned under, and is refused under
 * another. What is known of it comes from reads, from the watch, and from refusals, which tell the present one; each is
 * as of a revision, and older news than what is known are passed over.
 *
 * **Rate.** A bucket on the dispatcher's monotonic clock. It begins empty with each dispatcher (all that an earlier one gave
 * out was given out before) and with each change of the rate. Tokens of a write are taken out when its reply comes, and
 * no other is planned before: the store has applied it by then, so a bucket that ran in the store itself would hold no fewer.
 * So no span of time sees more than `burst` and what the rate allows for it, but for the error of the clock's rate.
 */
import { openControl, type QueueControl } from '../../records/index.js';
import { TokenBucket } from './token-bucket.js';

/** The control, and the revision that wrote it: 0 if there is none. */
export interface SeenControl {
  readonly mod: number;
  readonly control: QueueControl;
}

export class FleetRules {
  #seen: SeenControl = { mod: 0, control: openControl };
  #asOf = 0;
  #bucket: TokenBucket | undefined;
  /** The control with which the present rate was first seen. */
  #rateSince = 0;

  /** The revision of the control that it all rests on. */
  get mod(): number {
    return this.#seen.mod;
  }

  /** True while jobs given out are to be jobs that can start: while there is a rate. */
  get startsOnly(): boolean {
    return this.#bucket !== undefined;
  }

  /** How the control stood at revision `asOf`. False if something newer is known. */
  learn(seen: SeenControl, asOf: number, nowMs: number): boolean {
    if (asOf < this.#asOf) return false;
    this.#asOf = asOf;
    const before = this.#seen.control.limits.rate;
    this.#seen = seen;
    const { rate } = seen.control.limits;
    if (JSON.stringify(rate) !== JSON.stringify(before)) {
      this.#rateSince = seen.mod;
      this.#bucket = rate && new TokenBucket(rate, nowMs);
    }
    return true;
  }

  /** How many jobs may be with workers at a time, of this group. */
  limitOf(group: string): number {
    const { groups = {}, groupConcurrency = Number.POSITIVE_INFINITY } = this.#seen.control.limits;
    return (Object.hasOwn(groups, group) ? groups[group] : undefined) ?? groupConcurrency;
  }

  /** How many jobs may be given out now, while `inHand` are with workers. */
  allowance(inHand: number, nowMs: number): number {
    const { paused, limits } = this.#seen.control;
    if (paused) return 0;
    const places = (limits.concurrency ?? Number.POSITIVE_INFINITY) - inHand;
    return Math.max(0, Math.min(places, this.#bucket?.available(nowMs) ?? Number.POSITIVE_INFINITY));
  }

  /** So many were given out, by a write under the control of revision `mod` whose reply has come now. */
  given(count: number, mod: number, nowMs: number): void {
    if (mod >= this.#rateSince) this.#bucket?.take(count, nowMs);
  }

  /** When more may be given out by the clock alone. */
  wakeAtMs(): number | undefined {
    return this.#seen.control.paused ? undefined : this.#bucket?.nextAtMs();
  }
}
