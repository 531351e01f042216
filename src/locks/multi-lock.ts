/**
 * Several locks at a time: all of them, or none.
 *
 * **Protocol.** The names are those of ordinary mutexes, and the places stand in the mutexes' own lines, so that a set
 * excludes, and is excluded by, every `Mutex` of these names. All places are taken in one transaction,
 * `IF anchor stands THEN (put k_i, range line_i) for each name`, hence at one revision, and the set is held when each of them
 * is the oldest of its line. Release, and giving up, delete all of them in one transaction, each under its guard.
 *
 * **Who waits for whom.** A set waits for another only if that one is older, since a set has one rank in all its lines: so sets
 * never wait for each other in a circle, in whatever order their names are given. Nothing is held while something else
 * is asked for. The older places only ever become fewer, so nobody starves while holders release. The price: a set
 * that waits for one name keeps younger claimants of its other names waiting, though these are free.
 *
 * **Tokens** are each name's own, `R * 1024`, R the revision that proved its place to be the oldest of *its* line. The
 * revision of the last proof would not do for all: somebody may have deleted another place of the set before it.
 *
 * **When things go wrong.** A place deleted by somebody: waiting, the set leaves and queues again at the end; held, the
 * hold is lost as a whole, and the other places are given up. A holder hands its turn over to one place of a set that
 * still waits elsewhere: the set leaves and queues again, since that place would stand before its rank and could close a
 * circle. Session lost: all places went with it; a wait stands again with a new one. Reply lost: settled by the
 * exactly-once store. Process paused: the clock is compared before the grant, and each write is guarded by all places.
 */
import { invalidArgument, isPermanent, QuorateError, shown } from '../errors.js';
import { fencingToken, Line } from '../line/index.js';
import {
  Backoff,
  checkWaitOptions,
  sharedController,
  sleep,
  type WaitOptions,
  waitFor,
} from '../runtime/index.js';
import { type Client, checkClient, type Session } from '../session/index.js';
import { checkName } from '../store/index.js';
import { orDeadlock } from './deadlock/detector.js';
import { type MultiHold, SetHold } from './multi-lock/multi-hold.js';
import { PlaceSet } from './multi-lock/place-set.js';
import { dedicatedHold } from './mutex/dedicated-hold.js';
import { type Owner, type OwnerOptions, ownerOf } from './waiting/owner.js';

/** etcd takes 128 operations in a transaction: two for each name, one for the lane, and one to spare. */
const mostNames = 63;

export interface MultiLockOptions {
  /** After how many milliseconds the places begin to be watched for deletion by somebody else. Default 250. */
  watchHoldAfterMs?: number;
}

/** How a caller waits for a set of locks. If one of its places closed a circle of owners, the whole set is refused. */
export interface AcquireSetOptions extends WaitOptions, OwnerOptions {}

/**
 * Several locks at a time: all of them, or none. They are those of the mutexes of these names.
 *
 * - Order: first come, first served in each line, against mutexes and other sets alike. Not reentrant.
 * - Guaranteed: sets never wait for each other in a circle, in whatever order they are named; each name has tokens of its own, which strictly
 *   increase; `hold.txn()` is applied only while all of them are held.
 * - Not guaranteed: that free names stay free for others while a set waits for another; no protection for who holds a lock already.
 * - Session loss, or the loss of one place: the hold is lost as a whole, and its signal fires; a wait stands again at the end of the lines.
 * - Errors: `invalid-argument`, at once; of a wait `aborted`, `timeout`, `deadlock`, `closed`; of a hold `hold-lost`, `session-lost`,
 *   `fenced`. While the store is away a wait goes on: give `timeoutMs` or `signal`.
 * - Cost: one request to acquire and one to release, for up to 63 names; waiting, a watch of each line, and one event for each place that goes.
 */
export class MultiLock {
  readonly names: readonly string[];
  readonly #client: Client;
  readonly #lines: readonly Line[];
  readonly #watchHoldAfterMs: number;

  /**
   * The locks of these names in the client's namespace, from 1 to 63 of them, each once, in any order. Making one sends
   * nothing.
   */
  constructor(client: Client, names: readonly string[], options: MultiLockOptions = {}) {
    checkClient(client);
    checkNames(names);
    this.#watchHoldAfterMs = checkOptions(options);
    this.#lines = names.map((name) => new Line(client, client.keys.prefix('lock', name)));
    this.names = [...names];
    this.#client = client;
  }

  /**
   * Waits for all locks. Fair: first come, first served in each line, against mutexes and other sets alike. Callers of
   * one process are not coalesced, neither with each other nor with those of a `Mutex`: each call takes places of its own.
   * Not reentrant, and no protection for who holds a lock already and asks for more: that is hold-and-wait again, for
   * which there is `owner`.
   *
   * Cost: one request to acquire and one to release; while it waits, one event for each place that goes before it, and
   * with an `owner` one read after `deadlockAfterMs` and about every 5 s.
   *
   * Errors: `aborted`, `timeout` and `deadlock` as asked for, and nothing is held then; `closed`, `permission-denied`,
   * `unauthenticated`. While the store is away it keeps trying, so give `timeoutMs` or `signal`.
   */
  acquire(options: AcquireSetOptions = {}): Promise<MultiHold> {
    return this.#acquire(options);
  }

  async #acquire(options: AcquireSetOptions): Promise<SetHold> {
    const doing = `waiting for ${this.#described}`;
    checkWaitOptions(options, doing);
    const owner = ownerOf(options);
    const givenUp = sharedController();
    return this.#unlessGivenUp(this.#join(owner, givenUp.signal), givenUp, options, doing);
  }

  /**
   * Takes all locks if nobody holds any of them or waits for it; undefined otherwise. One request. Leaves nothing behind
   * and disturbs no waiter.
   *
   * Errors: `aborted` and `timeout` as asked for; what `client.session()` rejects with; `session-lost`; the store's own.
   */
  async tryAcquire(options: AcquireSetOptions = {}): Promise<MultiHold | undefined> {
    const doing = `trying ${this.#described}`;
    checkWaitOptions(options, doing);
    const owner = ownerOf(options);
    const givenUp = sharedController();
    return this.#unlessGivenUp(this.#try(owner, givenUp.signal), givenUp, options, doing);
  }

  /**
   * Runs `work` under all locks and releases them, whatever becomes of the work. If one was lost before the work had
   * ended well, rejects with that loss: the work may have run beside another's.
   */
  async runExclusive<T>(
    work: (hold: MultiHold) => Promise<T> | T,
    options: AcquireSetOptions = {},
  ): Promise<T> {
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

  get #described(): string {
    return `the locks ${this.names.map((name) => JSON.stringify(name)).join(', ')}`;
  }

  /** Who gives up leaves nothing behind, whatever was under way: places are left once they are known. */
  async #unlessGivenUp<H extends MultiHold | undefined>(
    attempt: Promise<H>,
    givenUp: AbortController,
    options: WaitOptions,
    doing: string,
  ): Promise<H> {
    try {
      return await waitFor(this.#client.runtime, attempt, options, doing);
    } catch (error) {
      givenUp.abort(error);
      attempt.then(
        (hold) => hold?.release(),
        () => {},
      );
      throw error;
    }
  }

  /** Queues, again and again, until all turns have come. */
  async #join(owner: Owner | undefined, givenUp: AbortSignal): Promise<SetHold> {
    const { runtime } = this.#client;
    const backoff = new Backoff(runtime, { firstMs: 10, longestMs: 1_000 });
    for (;;) {
      givenUp.throwIfAborted();
      try {
        const session = await this.#client.session();
        givenUp.throwIfAborted();
        const set = await this.#take(session, owner);
        if (set === undefined) throw await refusal(session);
        backoff.reset();
        const hold = await this.#waitIn(set, owner, givenUp);
        if (hold !== undefined) return hold;
      } catch (error) {
        givenUp.throwIfAborted();
        if (isPermanent(error)) throw error;
        await sleep(runtime, backoff.nextMs(), { signal: givenUp }).catch(() => {});
      }
    }
  }

  async #try(owner: Owner | undefined, givenUp: AbortSignal): Promise<SetHold | undefined> {
    const session = await this.#client.session();
    givenUp.throwIfAborted();
    const set = await this.#take(session, owner, true);
    return set && (await this.#waitIn(set, owner, givenUp));
  }

  #take(session: Session, owner: Owner | undefined, ifEmpty = false): Promise<PlaceSet | undefined> {
    const lines = this.#lines;
    return PlaceSet.take({ client: this.#client, session, lines, owner: owner?.name, ifEmpty });
  }

  /** Undefined if the set was given up, or lost, before all turns had come. Nothing of it is left then, nor after `deadlock`. */
  async #waitIn(set: PlaceSet, owner: Owner | undefined, givenUp: AbortSignal): Promise<SetHold | undefined> {
    const watched = this.#client.runtime.setTimer(this.#watchHoldAfterMs, () => set.guardAgainstDeletion(), {
      background: true,
    });
    const wait = { client: this.#client, owner, places: set.places };
    let hold: SetHold | undefined;
    try {
      if ((await orDeadlock(wait, set.turn(givenUp))) && (await isHeld(set)))
        hold = this.#grant(set, () => watched.cancel());
    } finally {
      if (hold === undefined) {
        watched.cancel();
        await set.leave();
      }
    }
    return hold;
  }

  #grant(set: PlaceSet, ended: () => void): SetHold {
    const place = set.asOne();
    const proofs = set.places.map(({ state }) => (state.status === 'admitted' ? state.revision : 0));
    const tokens = this.names.map((name, index): [string, number] => [
      name,
      fencingToken(proofs[index] ?? 0, 0),
    ]);
    const [line] = this.#lines as [Line];
    const token = Math.max(...tokens.map(([, one]) => one));
    const hold = dedicatedHold({ client: this.#client, line, place, token }, () => {
      ended();
      return set.leave();
    });
    return new SetHold({ hold, place, tokens: new Map(tokens) });
  }
}

/** Compares the clock before the grant; after a pause it is waited for the decision. */
async function isHeld(set: PlaceSet): Promise<boolean> {
  if (!set.session.isLive()) await set.session.settled();
  return set.session.isLive() && set.isAdmitted;
}

/** By the anchor: the lease is over, or somebody deleted the anchor, which ends the session too. */
async function refusal(session: Session): Promise<QuorateError> {
  await session.verify({ signal: session.signal }).catch(() => {});
  return new QuorateError('session-lost', 'the session had ended when the places were to be taken');
}

function checkNames(names: readonly string[]): void {
  const accepted = `from 1 to ${mostNames} names of locks, each once`;
  if (!Array.isArray(names)) throw invalidArgument(`names is of type ${typeof names}`, accepted);
  if (names.length < 1 || names.length > mostNames) {
    throw invalidArgument(`there are ${names.length} names`, accepted);
  }
  // By their number: an array may have holes, which other loops pass over.
  for (let index = 0; index < names.length; index += 1) {
    checkName(names[index], 'lock name');
    if (names.indexOf(names[index] as string) < index) {
      throw invalidArgument(`${shown(names[index])} is there twice`, accepted);
    }
  }
}

function checkOptions(options: MultiLockOptions): number {
  if (typeof options !== 'object' || options === null) {
    throw invalidArgument(`options are of type ${typeof options}`, 'an object, or none');
  }
  const { watchHoldAfterMs = 250 } = options;
  if (!Number.isFinite(watchHoldAfterMs) || watchHoldAfterMs < 0) {
    throw invalidArgument(
      `watchHoldAfterMs is ${shown(watchHoldAfterMs)}`,
      'a number of milliseconds, 0 or more',
    );
  }
  return watchHoldAfterMs;
}
