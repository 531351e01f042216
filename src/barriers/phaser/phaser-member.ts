import { isQuorateError } from '../../errors.js';
import { checkWaitOptions, linkedSignal, type WaitOptions } from '../../runtime/index.js';
import { orGiveUp } from '../../runtime/or-give-up.js';
import { arrive } from './arrival.js';
import { deregister, Membership } from './membership.js';
import type { PhaserBoard } from './phaser-board.js';

/** For `Phaser`, which lets several members arrive at once. */
export interface MemberInternals {
  readonly board: PhaserBoard;
  readonly membership: Membership;
}

const internals = new WeakMap<PhaserMember, MemberInternals>();

export function internalsOfMember(member: unknown): MemberInternals | undefined {
  return member instanceof PhaserMember ? internals.get(member) : undefined;
}

/**
 * A registration at a `Phaser`: every phase waits for it until it arrives, leaves, or its session is lost.
 *
 * - Arrivals are counted by the store, once for each phase: one that is repeated changes nothing. A call that was given up, by `timeout`
 *   for example, is gone on with by the next one, in the phase that it arrived in, be that over or not.
 * - What is asked of one member is done one after the other.
 * - Errors of all calls: `session-lost` once the session is over, which took the registration and the arrival with it; `hold-lost` if
 *   the member has left, or its key was deleted; `aborted` and `timeout` as asked for; `codec` if somebody has written something else
 *   to the phaser's key; `closed`, `permission-denied`, `unauthenticated`.
 */
export class PhaserMember implements AsyncDisposable {
  readonly #name: string;
  readonly #board: PhaserBoard;
  readonly #membership: Membership;

  /** Members are made by `phaser.register()`. */
  constructor(name: string, board: PhaserBoard, membership: Membership) {
    this.#name = name;
    this.#board = board;
    this.#membership = membership;
    internals.set(this, { board, membership });
  }

  /** The phase that it registered in, or arrived in last. */
  get phase(): number {
    return this.#membership.phase;
  }

  /** False once it has left, or its session is lost. */
  get isRegistered(): boolean {
    return this.#membership.gone === undefined && this.#membership.session.isLive();
  }

  /**
   * Arrives, and does not wait. Answers the phase. Given up, it may have arrived or not; the next call goes on with it. One
   * request; one more for the last member of a phase, which ends it.
   */
  async arrive(options: WaitOptions = {}): Promise<number> {
    const doing = `arriving at the phaser ${JSON.stringify(this.#name)}`;
    checkWaitOptions(options, doing);
    const phase = await this.#orGiveUp((givenUp) => this.#arrive(givenUp), options, doing);
    this.#membership.untold = undefined;
    return phase;
  }

  /**
   * Arrives, and waits until all members of the phase have. Answers the phase that has begun then. Given up, the arrival stands,
   * and the next call goes on with it. The cost of `arrive`, and one event.
   */
  async arriveAndAwait(options: WaitOptions = {}): Promise<number> {
    const doing = `waiting at the phaser ${JSON.stringify(this.#name)}`;
    checkWaitOptions(options, doing);
    const attempt = async (givenUp: AbortSignal) => {
      const phase = await this.#arrive(givenUp);
      const end = linkedSignal(givenUp, this.#membership.lost);
      try {
        return await this.#board.overFrom(phase, { signal: end.signal }, doing);
      } catch (error) {
        givenUp.throwIfAborted();
        if (isQuorateError(error, 'aborted')) this.#membership.assertStands();
        throw error;
      } finally {
        end.unlink();
      }
    };
    const phase = await this.#orGiveUp(attempt, options, doing);
    this.#membership.untold = undefined;
    return phase;
  }

  /**
   * Arrives and leaves in one: neither this phase nor a later one waits for it. Answers the phase that it left in. Given up, it
   * goes on leaving in the background. One request; one more if it was the last that the phase waited for.
   */
  async arriveAndDeregister(options: WaitOptions = {}): Promise<number> {
    const doing = `leaving the phaser ${JSON.stringify(this.#name)}`;
    checkWaitOptions(options, doing);
    return await this.#orGiveUp(() => this.#leave(), options, doing);
  }

  /** Leaves, unless it is a member no more. Never rejects. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#membership.gone === undefined) await this.#leave().catch(() => {});
  }

  #arrive(givenUp: AbortSignal): Promise<number> {
    const members = [this.#membership];
    return Membership.inTurn(members, () => arrive(this.#board, members, givenUp));
  }

  #leave(): Promise<number> {
    const { signal } = new AbortController();
    return Membership.inTurn([this.#membership], () => deregister(this.#board, this.#membership, signal));
  }

  #orGiveUp<T>(
    attempt: (givenUp: AbortSignal) => Promise<T>,
    options: WaitOptions,
    doing: string,
  ): Promise<T> {
    return orGiveUp(this.#board.client.runtime, attempt, () => {}, options, doing);
  }
}
