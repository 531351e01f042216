import { isQuorateError, QuorateError } from '../../errors.js';
import { checkWaitOptions, type WaitOptions } from '../../runtime/index.js';
import { orGiveUp } from '../../runtime/or-give-up.js';
import type { Client } from '../../session/index.js';
import { type Compare, compare } from '../../store/index.js';
import type { Member } from './coming.js';
import type { Stay } from './options.js';
import { exitOf } from './round.js';
import type { Departure, Rounds } from './rounds.js';

export interface MemberStayParts {
  readonly client: Client;
  readonly rounds: Rounds;
  readonly name: string;
  readonly member: Member;
  readonly round: number;
}

export class MemberStay implements Stay {
  readonly round: number;
  readonly #parts: MemberStayParts;
  #departing: Promise<Departure> | undefined;

  constructor(parts: MemberStayParts) {
    this.#parts = parts;
    this.round = parts.round;
  }

  get isInside(): boolean {
    return this.#departing === undefined && this.#parts.member.session.isLive();
  }

  get signal(): AbortSignal {
    return this.#parts.member.session.signal;
  }

  guard(): Compare {
    const { key, created } = this.#parts.member;
    return compare.mod(key, 'equal', created);
  }

  async leave(options: WaitOptions = {}): Promise<void> {
    const { client, name } = this.#parts;
    const doing = `leaving the double barrier ${JSON.stringify(name)}`;
    try {
      checkWaitOptions(options, doing);
    } catch (error) {
      // Who says from the start that it waits for nobody leaves too.
      if (isQuorateError(error, 'aborted')) void this.depart();
      throw error;
    }
    const attempt = (givenUp: AbortSignal) => this.#leave(givenUp);
    await orGiveUp(client.runtime, attempt, () => {}, options, doing);
  }

  async depart(): Promise<void> {
    await this.#depart(false);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.depart();
  }

  #depart(waits: boolean): Promise<Departure> {
    const { rounds, member } = this.#parts;
    this.#departing ??= rounds.depart(member, { waits });
    return this.#departing;
  }

  async #leave(givenUp: AbortSignal): Promise<void> {
    const { rounds, member, round } = this.#parts;
    const departure = await this.#depart(true);
    const { wasThere, seen } = departure;
    if (!wasThere) {
      member.session.assertLive();
      if (seen === undefined) throw new QuorateError('closed', 'the client is closed');
      if (exitOf(seen.now, round) === 'broken') throw rounds.broken(round);
      throw new QuorateError('hold-lost', 'somebody deleted the key of a member that was inside');
    }
    await rounds.untilOver(round, member, departure, givenUp);
  }
}
