/**
 * A fair, fenced mutual-exclusion lock.
 *
 * **Protocol.** A process takes one place in the lock's waiting line (`{ns}/lock/{name}/l/{id}`, leased; see
 * `line/line.ts`) however many of its callers wait, and holds the lock while its place is the oldest. Then it passes the
 * lock on among its own callers, first come first served: each grant has a token of its own, `R * 1024 + j`, where R is
 * the revision that proved the place to be the oldest and j numbers the grants. After a *slice* (64 grants or 20 ms) it
 * steps back: leaves and queues again in one transaction, which also tells whether anybody else waits. So another
 * process waits at most one slice of each process before it. With no caller left it leaves. Callers with an `owner` have
 * places of their own: see own-place.ts.
 *
 * **Cost.** Alone: one request to acquire, one to release. Hand-over: one request and one event; where three or more contend
 * the holder tells the next in line by name, and nobody else is woken (`line/grant.ts`). Within a process: amortised far
 * below one request a grant. Waiting costs none, but for a look once a TTL.
 *
 * **Late writes.** Local grants share the place, so its guard cannot tell them apart. The lock is therefore passed on
 * only when every `hold.txn()` of the last grant has a definite outcome; otherwise the place is given up, which kills
 * the guard.
 *
 * **Lock-delay**, if asked for: the place of who holds outlasts its session: see line/securing.ts. One request more for a
 * place that had to wait.
 *
 * **Session lost, or the place deleted by somebody:** the current grant's signal fires; waiting callers keep their order
 * and stand again with a new session, at the end of the line. **Process paused:** the clock is compared before every
 * grant, and every write is guarded. **Reply lost:** settled by the exactly-once store before anything else happens. A
 * caller that gives up while the join is under way leaves nothing behind: the place is left once it is known.
 */
import { invalidArgument, isPermanent } from '../errors.js';
import { fencingToken, grantsPerRevision, Line, type LineView, type Place, viewLine } from '../line/index.js';
import {
  Backoff,
  checkWaitOptions,
  Reminder,
  sharedController,
  sleep,
  type WaitOptions,
  waitFor,
} from '../runtime/index.js';
import { type Client, checkClient, type Session } from '../session/index.js';
import { type Hold, PlaceHold } from './hold.js';
import { registerMutex } from './mutex/internals.js';
import { LockDelay } from './mutex/lock-delay.js';
import type { LockEvent, LockStatus } from './mutex/lock-events.js';
import { LockReport } from './mutex/lock-report.js';
import { checkMutexOptions, type MutexOptions, sliceOf } from './mutex/mutex-options.js';
import { acquireOwnPlace, type OwnPlaceParts, tryOwnPlace } from './mutex/own-place.js';
import { Callers } from './waiting/callers.js';
import { type MutexWaitOptions, ownerOf } from './waiting/owner.js';

/**
 * A fair, fenced lock: one caller of one process holds it at a time.
 *
 * - Order: first come, first served among the callers of one object, and between processes by their places. A process passes the lock on
 *   among its own callers for a slice (64 grants or 20 ms) before it offers it to others. Not reentrant.
 * - Guaranteed: in the store's order of revisions holds never overlap; tokens strictly increase, over all processes; what is
 *   written through `hold.txn()` is applied only while the hold stands.
 * - Not guaranteed: that only one process *believes* to hold it. A store that does not check tokens is not protected from one that
 *   was paused: see `docs/fencing.md`.
 * - Session loss: the hold's signal fires before the server can give the lock to another; who waits stands again with a new
 *   session, at the end of the line.
 * - Errors: `invalid-argument`, at once; of a wait `aborted`, `timeout`, `deadlock`, `closed`; of a hold `hold-lost`, `session-lost` and
 *   `fenced`. While the store is away a wait goes on: give `timeoutMs` or `signal`.
 * - Cost: alone, one request to acquire and one to release; a hand-over, one request and one event; among the callers of a process
 *   far below one request a grant.
 *
 * ```ts
 * const mutex = new Mutex(client, 'stock');
 * await mutex.runExclusive((hold) => hold.txn({ success: [put('stock/42', '6')] }), { timeoutMs: 5_000 });
 * ```
 */
export class Mutex {
  readonly name: string;
  readonly #client: Client;
  readonly #line: Line;
  readonly #options: Required<MutexOptions>;
  readonly #callers: Callers<PlaceHold>;
  readonly #report = new LockReport();
  readonly #own: OwnPlaceParts;
  /** Undefined without a lock-delay. */
  readonly #delay: LockDelay | undefined;
  #serving: Promise<void> | undefined;
  /** Resolves once it is known what a try has come to, and never rejects. */
  #trying: Promise<void> | undefined;
  #granted: PlaceHold | undefined;
  /** What has its slice. */
  #held: Place | undefined;
  /** A hold that lasts has its line watched, for who would take it away. */
  readonly #watchHold: Reminder;
  #sliceGrants: number;

  /**
   * The lock of this name in the client's namespace. Share one object among the callers of a process: only callers of
   * one object are coalesced. Making one sends nothing.
   */
  constructor(client: Client, name: string, options: MutexOptions = {}) {
    checkClient(client);
    this.#options = checkMutexOptions(options);
    this.#line = new Line(client, client.keys.prefix('lock', name), { grants: true });
    this.name = name;
    this.#watchHold = new Reminder(client.runtime, () => {
      if (this.#held !== undefined) this.#line.guardAgainstDeletion(this.#held);
    });
    this.#client = client;
    this.#callers = new Callers(client.runtime);
    this.#sliceGrants = sliceOf(this.#options).grants;
    const { watchHoldAfterMs, lockDelayMs } = this.#options;
    this.#delay = lockDelayMs > 0 ? new LockDelay(client, this.#line, lockDelayMs) : undefined;
    this.#own = { client, line: this.#line, watchHoldAfterMs, report: this.#report, delay: this.#delay };
    registerMutex(this, { client, line: this.#line, options: this.#options, report: this.#report });
  }

  /**
   * Waits for the lock. Fair: first come first served within a process, and between processes by their places, each
   * place serving at most one slice of callers before the next. Not reentrant: a caller that holds the lock and
   * acquires it again waits for itself. With an `owner`, a place of its own in the line, so one request for each hold;
   * and while it waits, one read after `deadlockAfterMs` and about every 5 s.
   *
   * Errors: `aborted` and `timeout` as asked for; `deadlock`, with an `owner`; `closed`, `permission-denied`,
   * `unauthenticated`. While the store is away it keeps trying, so give `timeoutMs` or `signal`.
   */
  acquire(options: MutexWaitOptions = {}): Promise<Hold> {
    return this.#acquire(options);
  }

  async #acquire(options: MutexWaitOptions): Promise<PlaceHold> {
    const doing = `waiting for the lock ${JSON.stringify(this.name)}`;
    checkWaitOptions(options, doing);
    const owner = ownerOf(options);
    if (owner !== undefined) return acquireOwnPlace(this.#own, { owner, options, doing });
    const turn = this.#callers.wait(options, doing);
    this.#serve();
    return turn;
  }

  /**
   * Takes the lock if nobody holds it or waits for it; undefined otherwise, also where what it had taken was lost before it
   * could be given out. It never waits for others. One request, none if this process holds it or waits. Leaves nothing behind
   * and disturbs no waiter.
   *
   * Errors: `aborted` and `timeout` as asked for; what `client.session()` rejects with; `session-lost`; the store's own.
   */
  async tryAcquire(options: MutexWaitOptions = {}): Promise<Hold | undefined> {
    const doing = `trying the lock ${JSON.stringify(this.name)}`;
    checkWaitOptions(options, doing);
    const owner = ownerOf(options);
    if (owner !== undefined) return tryOwnPlace(this.#own, { owner, options, doing });
    const wanted = { yes: true };
    const attempt = this.#try(wanted, doing);
    try {
      return await waitFor(this.#client.runtime, attempt, options, doing);
    } catch (error) {
      wanted.yes = false;
      // It may have got the lock at that very moment.
      attempt.then(
        (hold) => hold?.release(),
        () => {},
      );
      throw error;
    }
  }

  async #try(wanted: { readonly yes: boolean }, doing: string): Promise<Hold | undefined> {
    while (this.#serving !== undefined) {
      if (this.#granted !== undefined || this.#callers.size > 0) return undefined;
      // Another try is not waited for longer than until it has the lock.
      await (this.#trying ?? this.#serving);
    }
    const session = await this.#client.session();
    if (this.#serving !== undefined || !wanted.yes) return undefined;
    const joining = this.#joinIfEmpty(session).then((place) => {
      return { place, hold: place && wanted.yes ? this.#serveOnly(place, doing) : undefined };
    });
    const tried = () => {
      this.#trying = undefined;
    };
    this.#trying = joining.then(tried, tried);
    this.#serve(() => joining.then(({ place }) => place).catch(() => undefined));
    return (await joining).hold;
  }

  /** Waits to be served, before everybody else, by this place and no other: undefined once that has gone. */
  async #serveOnly(place: Place, doing: string): Promise<Hold | undefined> {
    if (place.state.status === 'gone') return undefined;
    const gone = sharedController();
    place.onGone((error) => gone.abort(error));
    try {
      return await this.#callers.wait({ signal: gone.signal }, doing, true);
    } catch (error) {
      if (gone.signal.aborted) return undefined;
      throw error;
    }
  }

  /**
   * Runs `work` under the lock and releases it, whatever becomes of the work. If the hold was lost before the work had
   * ended well, rejects with that loss: the work may have run beside another's.
   */
  async runExclusive<T>(work: (hold: Hold) => Promise<T> | T, options: MutexWaitOptions = {}): Promise<T> {
    if (typeof work !== 'function') throw invalidArgument(`work is of type ${typeof work}`, 'a function');
    const hold = await this.#acquire(options);
    try {
      const result = await work(hold);
      await hold.confirm();
      return result;
    } finally {
      await hold.release();
    }
  }

  /** Who has the lock and who waits, of all processes, without standing in line. One read; errors as the store's. */
  async inspect(options: WaitOptions = {}): Promise<LineView> {
    checkWaitOptions(options, `looking at the lock ${JSON.stringify(this.name)}`);
    return (await viewLine(this.#client.store, this.#line.prefix, options)).view;
  }

  /** Why callers of this object wait, as far as this process knows; asks nobody. Those with an `owner` are not counted. */
  status(): LockStatus {
    return this.#report.status(this.#callers.size);
  }

  /**
   * Runs `listener` at each event of this object's callers, in order. Of those with an `owner`, and of those who come back from
   * a `Condition`, it is told that they have the lock and how that ended, and neither how they wait nor that they are at risk.
   * Returns its removal.
   */
  onEvent(listener: (event: LockEvent) => void): () => void {
    return this.#report.onEvent(listener);
  }

  /** Serves the callers until none is left, beginning with a place that was taken already if there is one. */
  #serve(first: () => Promise<Place | undefined> = async () => undefined): void {
    this.#serving ??= first()
      .then((place) => this.#serveAll(place))
      .catch((error: unknown) => this.#callers.refuse(error))
      .then(() => {
        this.#serving = undefined;
        if (this.#callers.size > 0) this.#serve();
        else this.#report.left();
      });
  }

  async #serveAll(first: Place | undefined): Promise<void> {
    let place = first;
    const backoff = new Backoff(this.#client.runtime, { firstMs: 10, longestMs: 1_000 });
    while (this.#callers.size > 0) {
      try {
        place ??= await this.#join();
        backoff.reset();
        this.#report.standing(place);
        let proof = await this.#turn(place);
        if (this.#delay !== undefined && proof !== undefined) proof = await this.#secured(this.#delay, place);
        if (proof !== undefined) await this.#grantSlice(place, proof);
        place = await this.#giveUp(place);
      } catch (error) {
        const left = place && this.#line.leave(place);
        place = undefined;
        // Who is refused is told so: what forbids to join may forbid to leave, and then the place goes with the session.
        if (isPermanent(error)) throw error;
        await left;
        this.#report.now('retrying', error);
        await sleep(this.#client.runtime, backoff.nextMs());
      } finally {
        this.#granted?.passedOn();
        this.#granted = undefined;
      }
    }
    if (place !== undefined) await this.#line.leave(place);
  }

  async #join(): Promise<Place> {
    this.#report.now('opening-session');
    const session = await this.#client.session();
    this.#report.now('joining');
    if (this.#delay === undefined) return this.#line.join(session);
    return this.#line.join(session, { delay: await this.#delay.leaseOf(session) });
  }

  async #joinIfEmpty(session: Session): Promise<Place | undefined> {
    if (this.#delay === undefined) return this.#line.joinIfEmpty(session);
    return this.#line.joinIfEmpty(session, { delay: await this.#delay.leaseOf(session) });
  }

  /** The proof of a place that is to outlast its session; undefined if it is gone. */
  async #secured(delay: LockDelay, place: Place): Promise<number | undefined> {
    await delay.secure(place);
    return place.state.status === 'admitted' ? place.state.revision : undefined;
  }

  /** The revision that proves the place to be the oldest; undefined if it is gone first, or nobody waits any more. */
  async #turn(place: Place): Promise<number | undefined> {
    if (place.state.status === 'admitted') return place.state.revision;
    const empty = this.#callers.empty();
    try {
      return await Promise.race([place.turn.catch(() => undefined), empty.promise.then(() => undefined)]);
    } finally {
      empty.cancel();
    }
  }

  /** Grants the lock to callers of this process, one after the other, for one slice. */
  async #grantSlice(place: Place, proof: number): Promise<void> {
    const { runtime } = this.#client;
    const endMs = runtime.monotonicMs() + sliceOf(this.#options).ms;
    const parts = { client: this.#client, line: this.#line, place, listener: this.#report };
    this.#held = place;
    this.#watchHold.setIn(this.#options.watchHoldAfterMs);
    try {
      for (let grant = 0; grant < this.#sliceGrants; grant += 1) {
        // After a pause the clock is asked first, and what stood still may go on.
        if (!place.isLive) await place.settled();
        if (place.state.status !== 'admitted' || !place.isLive) return;
        const token = fencingToken(proof, grant);
        const hold = this.#callers.serve(() => new PlaceHold({ ...parts, token }));
        if (hold === undefined) return;
        this.#report.granted(hold);
        this.#granted?.passedOn();
        this.#granted = hold;
        await hold.released;
        const definite = await hold.settled();
        if (!definite || runtime.monotonicMs() >= endMs) return;
      }
    } finally {
      this.#held = undefined;
      this.#watchHold.clear();
    }
  }

  /** After a slice: steps back if somebody waits here, leaves otherwise. */
  async #giveUp(place: Place): Promise<Place | undefined> {
    if (place.state.status === 'gone') return undefined;
    if (this.#callers.size === 0) {
      await this.#line.leave(place);
      return undefined;
    }
    if (place.state.status === 'waiting') return place;
    const next = await this.#line.stepBack(place, { delay: place.delay });
    // None was older as it came: where the older ones went before its reply, there are others who want the lock.
    const alone = next?.state.status === 'admitted' && next.state.revision === next.revision;
    this.#sliceGrants = alone
      ? Math.min(grantsPerRevision, this.#sliceGrants * 2)
      : sliceOf(this.#options).grants;
    return next;
  }
}
