/**
 * A fair, weighted semaphore that can be resized while it is in use.
 *
 * **Keys.** `{ns}/semaphore/{name}/cfg`, the limit, a decimal, without a lease: whoever takes the first place creates it in
 * the same transaction. `{ns}/semaphore/{name}/l/{id}.{n}.{weight}`, one a place, on its session's lease (see
 * `line/line.ts`). Places are in the order of the revisions that created them, and those of one revision in that of their
 * keys.
 *
 * **Who waits for what.** A place is admitted when its weight and those of all older places, whether they hold or wait,
 * are within the limit, in the state of one revision; so nothing is held in part, and a heavy one that waits is not passed
 * by lighter ones. One watch, of limit and places alike, gives both in one order, which makes the state after each
 * revision known without a read. A place that was admitted stays so: a smaller limit revokes nothing and binds who comes.
 *
 * **Over the limit.** Whose weight alone is above the limit, as the reply to its join or a later event shows it, is told so
 * and its place given up, instead of holding up everybody behind it. A waiting place that a smaller limit overtakes is
 * given up too; its caller asks once more, and the reply decides.
 *
 * **In a process.** Callers of one weight are served in the order of their calls. They have up to 64 places waiting, taken
 * many in one transaction. A place that is admitted serves one caller after the other, as a mutex does: each grant has its
 * token, R * 1024 + j, R being the revision that proved the place to be admitted; after a *slice* (64 grants or 20 ms) its
 * permits go back. So another process waits for at most those places of each process, for a slice each.
 *
 * **Limit deleted, or made unreadable:** nobody is admitted until it is there again, so that at each revision there is one
 * limit for all; who waits puts its own default back at once, who comes does so with its join. **Late writes, lost
 * replies, session lost, process paused, place deleted:** as with the mutex, see `locks/mutex.ts`.
 */
import { invalidArgument, shown } from '../errors.js';
import { checkWaitOptions, type WaitOptions, waitFor } from '../runtime/index.js';
import { type Client, checkClient } from '../session/index.js';
import { checkLimit } from './semaphore/limit.js';
import { Permits } from './semaphore/permits.js';
import type { PermitHold, SemaphoreHold } from './semaphore/semaphore-hold.js';
import {
  type AcquireOptions,
  checkAcquireOptions,
  checkSemaphoreOptions,
  type SemaphoreOptions,
} from './semaphore/semaphore-options.js';
import { type SemaphoreView, viewSemaphore } from './semaphore/semaphore-view.js';

/**
 * A fair semaphore: so many permits are held at a time, by callers who ask for one or several. The limit can be changed while in use.
 *
 * - Order: first come, first served between processes, whatever they ask for; in a process among callers of one weight, and of several
 *   weights in turns. Not reentrant.
 * - Guaranteed: nobody is admitted unless, in the state of one revision, what it asks for and all that stands before it are within
 *   the limit; it has all permits or none; what is written through `hold.txn()` is applied only while the hold stands.
 * - Not guaranteed: that what processes *believe* to hold is within the limit; that tokens exclude anybody.
 * - Session loss: signals fire; who waits stands again with a new session, at the end of the line.
 * - Errors: `invalid-argument`, at once; `over-limit` for more than the whole limit; of a wait `aborted`, `timeout`, `closed`; of a hold
 *   `hold-lost`, `session-lost`, `fenced`. While the store is away a wait goes on: give `timeoutMs` or `signal`.
 * - Cost: one request to acquire and one to release, shared by callers of a process; waiting, one event for each place that comes or goes.
 */
export class Semaphore {
  readonly name: string;
  readonly #client: Client;
  readonly #permits: Permits;

  /**
   * The semaphore of this name in the client's namespace. Share one object among the callers of a process: only callers
   * of one object are coalesced. Making one sends nothing. `limit` is what it is created with if it is not there when
   * the first permits are asked for; later it is changed by `setLimit` and `changeLimit`, and not by other values here.
   */
  constructor(client: Client, name: string, options: SemaphoreOptions) {
    checkClient(client);
    const checked = checkSemaphoreOptions(options);
    this.#permits = new Permits(client, client.keys.prefix('semaphore', name), checked);
    this.name = name;
    this.#client = client;
  }

  /**
   * Waits for `weight` permits, and has all of them or none. Fair: first come first served among callers of one weight in
   * a process, callers of several weights in turns, and between processes by their places, whatever they weigh; each
   * place serves at most one slice of callers before the next. Not reentrant.
   *
   * One request to acquire and one to release, when permits are free; many callers share them. Waiting costs none, and an
   * event for each place that comes or goes.
   *
   * Errors: `over-limit` if the weight is above the limit, at once or when the limit is made smaller while it waits;
   * `aborted` and `timeout` as asked for; `closed`, `permission-denied`, `unauthenticated`. While the store is away it keeps
   * trying, so give `timeoutMs` or `signal`.
   */
  acquire(options: AcquireOptions = {}): Promise<SemaphoreHold> {
    return this.#acquire(options);
  }

  async #acquire(options: AcquireOptions): Promise<PermitHold> {
    const doing = `waiting for permits of the semaphore ${JSON.stringify(this.name)}`;
    return this.#permits.acquire(checkAcquireOptions(options, doing), options, doing);
  }

  /**
   * Takes the permits if they are free and nobody waits before; undefined otherwise. One request, and a second one if they
   * are not to be had: no compare can add weights up, so a place is taken and given up. It is gone when this resolves.
   * While it stands, younger places wait for it, so of two who try at a time one may be refused what it alone would get.
   * No request at all while callers of this object wait in the line.
   *
   * Errors: `over-limit`; `aborted` and `timeout` as asked for; what `client.session()` rejects with; `session-lost`; the
   * store's own.
   */
  async tryAcquire(options: AcquireOptions = {}): Promise<SemaphoreHold | undefined> {
    const doing = `trying the semaphore ${JSON.stringify(this.name)}`;
    const request = checkAcquireOptions(options, doing);
    let isWanted = true;
    const attempt = this.#permits.try(request, () => isWanted, doing);
    try {
      return await waitFor(this.#client.runtime, attempt, options, doing);
    } catch (error) {
      isWanted = false;
      // It may have got them at that very moment.
      attempt.then(
        (hold) => hold?.release(),
        () => {},
      );
      throw error;
    }
  }

  /**
   * Runs `work` while it holds the permits and releases them, whatever becomes of the work. If the hold was lost before
   * the work had ended well, rejects with that loss. Errors: as `acquire`, and what `work` throws.
   */
  async run<T>(work: (hold: SemaphoreHold) => Promise<T> | T, options: AcquireOptions = {}): Promise<T> {
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

  /** The present limit, or, where none is stored, the one that it would be created with. One read. */
  async limit(options: WaitOptions = {}): Promise<number> {
    checkWaitOptions(options, 'reading a limit');
    return this.#permits.limit.read(options);
  }

  /**
   * Makes it the limit: 0 refuses everybody. A smaller one takes nothing from those who hold, and admits no place until what
   * is held is within it; a place that was admitted before goes on serving callers of its process, new ones too, for the rest
   * of its slice. A larger one admits who waits, in order. One request, applied once. Errors: the store's own.
   */
  async setLimit(limit: number, options: WaitOptions = {}): Promise<void> {
    checkLimit(limit);
    checkWaitOptions(options, 'setting a limit');
    await this.#permits.limit.set(limit, options);
  }

  /**
   * Adds to the limit, or takes from it, and answers the new one. However many do so at a time, each change is applied
   * once. A read and a request, and one request more for each other change that comes between.
   *
   * Errors: `invalid-argument` if the limit would be less than 0; the store's own.
   */
  async changeLimit(by: number, options: WaitOptions = {}): Promise<number> {
    if (!Number.isSafeInteger(by)) throw invalidArgument(`by is ${shown(by)}`, 'a whole number');
    checkWaitOptions(options, 'changing a limit');
    return this.#permits.limit.change(by, options);
  }

  /** Who holds and who waits, as the store has it: limit and line at one revision. One read, whatever waits. */
  async inspect(options: WaitOptions = {}): Promise<SemaphoreView> {
    checkWaitOptions(options, 'looking at a semaphore');
    const { range, limit } = this.#permits;
    return viewSemaphore(this.#client, range, limit, options);
  }
}
