import { sameValue } from './deep-equal.js';
import type { Operation } from './linearizability.js';

/** A call in the list. */
export type Candidate<Call, Reply> = Returning<Call, Reply> | Unknown<Call, Reply>;

interface Returning<Call, Reply> {
  readonly operation: Operation<Call, Reply>;
  readonly returnedAt: number;
  /** By the times of the calls. */
  readonly index: number;
  isLifted: boolean;
}

interface Unknown<Call, Reply> {
  readonly operation: Operation<Call, Reply>;
  readonly returnedAt: undefined;
  /** Which of the kinds of call it is. */
  readonly kind: number;
}

/** Calls of unknown outcome that ask for the same: nothing tells them apart, so the first of them is used first. */
interface Kind<Call, Reply> {
  readonly calls: readonly Unknown<Call, Reply>[];
  used: number;
}

/**
 * The calls that are not in the order yet, and of these the candidates for its next place: all that were called before the
 * first of known outcome returned. The order may do without those of unknown outcome.
 *
 * The ones lifted out are all up to a point and few beyond it, where those that overlap are; so the set of them is told
 * by that point and what is beyond it.
 */
export class CallList<Call, Reply> {
  readonly #returning: readonly Returning<Call, Reply>[];
  readonly #kinds: readonly Kind<Call, Reply>[];
  /** All returning calls below it are lifted, and the one at it is not. */
  #base = 0;
  /** How many returning calls are lifted. */
  #lifted = 0;

  constructor(operations: readonly Operation<Call, Reply>[]) {
    const byCall = [...operations].sort((left, right) => left.calledAt - right.calledAt);
    const returning: Returning<Call, Reply>[] = [];
    const kinds: { calls: Unknown<Call, Reply>[]; used: number }[] = [];
    for (const operation of byCall) {
      const { returnedAt, call } = operation;
      if (returnedAt !== undefined) {
        returning.push({ operation, returnedAt, index: returning.length, isLifted: false });
        continue;
      }
      const found = kinds.findIndex(({ calls }) => sameValue(calls[0]?.operation.call, call));
      const kind = found < 0 ? kinds.length : found;
      const one = { operation, returnedAt, kind };
      if (found < 0) kinds.push({ calls: [one], used: 0 });
      else kinds[found]?.calls.push(one);
    }
    this.#returning = returning;
    this.#kinds = kinds;
  }

  /** Every call that must be in the order is. */
  get isDone(): boolean {
    return this.#lifted === this.#returning.length;
  }

  /** The candidates of known outcome, in the order of their calls. */
  returning(): readonly Returning<Call, Reply>[] {
    const found: Returning<Call, Reply>[] = [];
    let firstReturn = Number.POSITIVE_INFINITY;
    for (let at = this.#base; at < this.#returning.length; at += 1) {
      const call = this.#returning[at];
      if (call === undefined || call.operation.calledAt > firstReturn) break;
      if (call.isLifted) continue;
      found.push(call);
      firstReturn = Math.min(firstReturn, call.returnedAt);
    }
    return found.filter(({ operation }) => operation.calledAt <= firstReturn);
  }

  /** The candidates of unknown outcome, one of a kind. */
  unknown(): readonly Unknown<Call, Reply>[] {
    if (this.#kinds.length === 0) return [];
    const firstReturn = Math.min(...this.returning().map(({ returnedAt }) => returnedAt));
    return this.#kinds.flatMap(({ calls, used }) => {
      const next = calls[used];
      return next !== undefined && next.operation.calledAt <= firstReturn ? [next] : [];
    });
  }

  /** How many calls of unknown outcome are lifted, of each kind. */
  unknownUsed(): readonly number[] {
    return this.#kinds.map(({ used }) => used);
  }

  lift(candidate: Candidate<Call, Reply>): void {
    if (candidate.returnedAt === undefined) {
      this.#use(candidate, 1);
      return;
    }
    candidate.isLifted = true;
    this.#lifted += 1;
    while (this.#returning[this.#base]?.isLifted) this.#base += 1;
  }

  /** In the reverse order of lifting. */
  putBack(candidate: Candidate<Call, Reply>): void {
    if (candidate.returnedAt === undefined) {
      this.#use(candidate, -1);
      return;
    }
    candidate.isLifted = false;
    this.#lifted -= 1;
    this.#base = Math.min(this.#base, candidate.index);
  }

  /** Names the set of calls of known outcome that are lifted. */
  liftedKey(): string {
    let key = `${this.#base}`;
    let left = this.#lifted - this.#base;
    for (let index = this.#base; left > 0; index += 1) {
      if (!this.#returning[index]?.isLifted) continue;
      key += `,${index}`;
      left -= 1;
    }
    return key;
  }

  #use({ kind }: Unknown<Call, Reply>, by: number): void {
    const calls = this.#kinds[kind];
    if (calls !== undefined) calls.used += by;
  }
}
