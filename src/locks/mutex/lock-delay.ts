import type { Line, Place } from '../../line/index.js';
import type { Client, DelayLease, Session } from '../../session/index.js';

/** What a mutex with a lock-delay does more than others: see line/securing.ts. */
export class LockDelay {
  readonly #client: Client;
  readonly #line: Line;
  readonly #delayMs: number;

  constructor(client: Client, line: Line, delayMs: number) {
    this.#client = client;
    this.#line = line;
    this.#delayMs = delayMs;
  }

  /** The lease that what is held through the session stands on. Rejects as `client.delayLease`. */
  leaseOf(session: Session): Promise<DelayLease> {
    return this.#client.delayLease(session, this.#delayMs);
  }

  /** To be waited for once a place has its turn, before it is granted. False if it was gone. Rejects as `line.secure`. */
  async secure(place: Place): Promise<boolean> {
    if (place.delay !== undefined) return place.state.status === 'admitted';
    return this.#line.secure(place, await this.leaseOf(place.session));
  }
}
