import type { Session } from '../../session/index.js';
import type { Key } from '../../store/index.js';

/** A key of this process among the members. It stands from its first arrival until it is left, or the session ends. */
export interface Member {
  readonly key: Key;
  readonly session: Session;
  /** Of its last arrival, which guards it. */
  readonly revision: number;
}

/** The members of one object: as many as have ever waited at a time, taken again and again. */
export class Members {
  readonly #idle: Member[] = [];
  /** Those who wait. */
  readonly #taken = new Set<Member>();

  /** Whether one of them may be alive, so that the barrier is not deserted. */
  get hasLive(): boolean {
    return [...this.#idle, ...this.#taken].some(({ session }) => session.state.status !== 'lost');
  }

  /** One that stands and waits for nothing. */
  take(session: Session): Member | undefined {
    this.#forgetLost();
    const index = this.#idle.findIndex((member) => member.session === session);
    return index < 0 ? undefined : this.#idle.splice(index, 1)[0];
  }

  /** It has arrived. */
  waits(member: Member): void {
    this.#taken.add(member);
  }

  /** It is gone, or about to be deleted. */
  drop(member: Member): void {
    this.#taken.delete(member);
  }

  /** It waits no more, and stands. */
  give(member: Member): void {
    this.#taken.delete(member);
    if (member.session.state.status !== 'lost' && !this.#idle.includes(member)) this.#idle.push(member);
  }

  /** All that wait for nothing, to be left. */
  takeAll(): readonly Member[] {
    this.#forgetLost();
    return this.#idle.splice(0);
  }

  #forgetLost(): void {
    const live = this.#idle.filter(({ session }) => session.state.status !== 'lost');
    this.#idle.splice(0, this.#idle.length, ...live);
  }
}
