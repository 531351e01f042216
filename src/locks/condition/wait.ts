import { isPermanent, isQuorateError, QuorateError } from '../../errors.js';
import { type Joining, type Line, type Place, sendJoinings } from '../../line/index.js';
import { Backoff, sleep } from '../../runtime/index.js';
import { sendDeletion } from '../../session/guarded-deletion.js';
import type { Client, Session } from '../../session/index.js';
import { remove } from '../../store/index.js';
import { orDeadlock } from '../deadlock/detector.js';
import type { Hold, HoldInternals, PlaceHold } from '../hold.js';
import { placeOf } from '../mutex/internals.js';
import type { LockReport } from '../mutex/lock-report.js';
import { holdOwnPlace } from '../mutex/own-place.js';
import type { Owner } from '../waiting/owner.js';
import { passOn } from './pass-on.js';

export interface WaitParts {
  readonly client: Client;
  /** Of the lock. */
  readonly line: Line;
  readonly waiters: Line;
  readonly watchHoldAfterMs: number;
  /** Of the mutex: told of the hold that it comes back with. */
  readonly report: LockReport;
}

/**
 * One wait on a condition, from the hold that it gives up to the one that it comes back with.
 *
 * Its key among the waiters and its place in the lock's line have one name, so that whoever notifies it knows where to put
 * the place, and it knows where to look for it.
 */
export class Wait {
  readonly #parts: WaitParts;
  readonly #session: Session;
  /** For whom the hold was, and is when it comes back. */
  readonly #owner: Owner | undefined;
  readonly #says: { readonly owner: string } | undefined;
  /** The place that a notification puts into the lock's line. */
  readonly #coming: Joining;
  /** The key among the waiters. */
  readonly #waiting: Joining;
  /** It was notified, and must pass that on if it gives up. */
  #wasNotified = false;

  constructor(parts: WaitParts, { place, owner }: HoldInternals) {
    const { line, waiters } = parts;
    const stem = line.newStem();
    this.#parts = parts;
    this.#session = place.session;
    this.#owner = owner;
    this.#says = owner === undefined ? undefined : { owner: owner.name };
    this.#coming = line.joining(this.#session, { stem, says: this.#says });
    this.#waiting = waiters.joining(this.#session, { stem, says: this.#says });
  }

  /** `givenUp` fires with what the caller is told. Whatever this rejects with, the lock is not held then. */
  async run(hold: Hold, held: HoldInternals, givenUp: AbortSignal): Promise<PlaceHold> {
    const begun = this.#begin(hold, held, givenUp);
    held.stop(begun);
    const key = await begun;
    await untilFired(givenUp, key.turn);
    const isWithdrawn = givenUp.aborted && (await this.#withdraw(key));
    const place = isWithdrawn ? undefined : await this.#wake(key);
    // Nothing of its name is left anywhere then, unless the session is over, which nobody waited for to show.
    if (place === undefined && !this.#session.signal.aborted) this.#coming.refused();
    return this.#comeBack(place, givenUp);
  }

  /** Gives back the hold that came as its caller had already gone. */
  async giveBack(hold: Hold): Promise<void> {
    const place = placeOf(hold);
    if (place !== undefined) await this.#abandon(place);
    await hold.release();
  }

  /** Gives the lock up and begins to wait, in one transaction. The hold is over, whatever comes of it. */
  async #begin(hold: Hold, { place, writes }: HoldInternals, givenUp: AbortSignal): Promise<Place> {
    const { client, line } = this.#parts;
    const session = this.#session;
    let keys: readonly Place[] | undefined;
    try {
      await untilFired(givenUp, writes.settled());
      givenUp.throwIfAborted();
      line.disregard(place);
      keys = await sendJoinings({
        ...{ client, session, joinings: [this.#waiting] },
        compare: [...place.guards(), session.guard()],
        before: line.deletions(place),
      });
    } catch (error) {
      // It may stand, and serve others.
      line.regard(place);
      void hold.release();
      throw error;
    }
    void hold.release();
    const [key] = keys ?? [];
    if (key !== undefined && key.state.status !== 'gone') {
      line.given(place);
      return key;
    }
    // Refused, or nobody knows whether it was applied; or it was woken before it heard that it waits.
    await line.leave(place);
    if (key !== undefined) return key;
    this.#coming.refused();
    if (!(await session.verify({ signal: session.signal }).catch(() => session.isLive())))
      session.assertLive();
    throw new QuorateError('hold-lost', 'the hold had ended before the wait began');
  }

  /** True: it waits no more. False: somebody, or something, had woken it before. */
  async #withdraw(key: Place): Promise<boolean> {
    this.#waiting.watch.forget(key);
    if (key.state.status === 'gone') return false;
    const own = key.claims.map((claim) => remove(claim.key));
    const request = { compare: key.guards(), success: own, failure: [] };
    const reply = await sendDeletion(this.#parts.client, this.#session, request);
    key.end(new QuorateError('hold-lost', 'the wait was given up'));
    return reply?.succeeded !== false;
  }

  /** Its key is gone: the place that it was given, if it was notified. */
  async #wake({ state }: Place): Promise<Place | undefined> {
    if (state.status === 'gone' && state.error.code === 'session-lost') throw state.error;
    const place = await this.#coming.find();
    // One that is gone too: it may have had its turn before, and others wait for a word.
    this.#parts.line.follow(place);
    if (place.state.status === 'gone') return undefined;
    this.#wasNotified = true;
    return place;
  }

  /** Waits for its turn, by the place that it was given or, if it has none, by one of its own at the end of the line. */
  async #comeBack(given: Place | undefined, givenUp: AbortSignal): Promise<PlaceHold> {
    const backoff = new Backoff(this.#parts.client.runtime, { firstMs: 10, longestMs: 1_000 });
    let place = given;
    for (;;) {
      if (place !== undefined) await this.#turnOf(place, givenUp);
      if (givenUp.aborted) {
        if (place !== undefined) await this.#abandon(place);
        throw givenUp.reason;
      }
      if (place?.state.status === 'admitted' && this.#session.isLive())
        return holdOwnPlace({ ...this.#parts, owner: this.#owner }, place);
      await this.#session.settled();
      if (place?.state.status === 'gone') place = undefined;
      this.#session.assertLive();
      place ??= await this.#join(backoff, givenUp);
    }
  }

  /** Resolves when it has come, or the place is gone, or the wait was given up. Its place is left if it closed a circle. */
  async #turnOf(place: Place, givenUp: AbortSignal): Promise<void> {
    const wait = { client: this.#parts.client, owner: this.#owner, places: [place] };
    try {
      await orDeadlock(wait, untilFired(givenUp, place.turn));
    } catch (error) {
      await this.#abandon(place);
      throw error;
    }
  }

  /** Undefined where trying again may help. */
  async #join(backoff: Backoff, signal: AbortSignal): Promise<Place | undefined> {
    try {
      return await this.#parts.line.join(this.#session, { says: this.#says });
    } catch (error) {
      if (isPermanent(error) || isQuorateError(error, 'session-lost')) throw error;
      await sleep(this.#parts.client.runtime, backoff.nextMs(), { signal }).catch(() => {});
      return undefined;
    }
  }

  async #abandon(place: Place): Promise<void> {
    const { client, line, waiters } = this.#parts;
    this.#coming.watch.forget(place);
    if (this.#wasNotified) await passOn({ client, line, waiters, place });
    else await line.leave(place);
  }
}

/** Resolves when the promise settles, in whatever way, or the signal fires. */
async function untilFired(signal: AbortSignal, promise: Promise<unknown>): Promise<void> {
  if (signal.aborted) return;
  let off = () => {};
  const fired = new Promise<void>((resolve) => {
    const fire = () => resolve();
    signal.addEventListener('abort', fire, { once: true });
    off = () => signal.removeEventListener('abort', fire);
  });
  const settled = promise.then(
    () => {},
    () => {},
  );
  await Promise.race([settled, fired]).finally(off);
}
