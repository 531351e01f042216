/**
 * A fair, fenced read-write lock with downgrade and upgrade.
 *
 * **Keys.** One line (`{ns}/rwlock/{name}/l/`, see `line/line.ts`). A reader's place is `r/{stem}`; a writer's is
 * `w/{stem}` *and* `r/{stem}`, put in one transaction. So whoever is there has a read key, and whoever wants to write a
 * write key. A place is ranked by the revision that created its keys; all of them guard it.
 *
 * **Who waits for what.** A reader waits for the write keys that are older than its own; a writer for the older read keys,
 * which are those of everybody. So readers hold together, a writer holds alone, and nobody is passed over: a reader that
 * comes after a writer waits behind it. One watch tells of both kinds, in one order.
 *
 * **Downgrade**, `IF mod(w) = m, mod(r) = n THEN delete w`: the place keeps its rank, the readers behind it come in, and a
 * writer behind it still finds its read key. Queueing again instead would let that writer in between. The writes under
 * way are waited for first: they carry both guards and would be refused; one of which nobody knows dies with the write key.
 *
 * **Upgrade**, `IF mod(r) = n, no write key stands, anchor stands THEN put w, range line`: then nobody else wants to write,
 * so every place in the line is a reader's that holds or is about to. The upgrader waits until those, seen in this reply,
 * have gone; who comes later, to read or to write, stands behind its keys. At the last one's end it holds alone: its read
 * key stood all the time, or what was seen proves nothing. Refused, it fails at once, since a queued writer waits for the
 * upgrader's read key, and of two upgraders each would wait for the other's. Nor may it go past the queued writer: that
 * one's turn is next, and were it to give up, the readers behind it, who are younger, would come in beside the upgrader.
 * The write key that is then deleted when an upgrade is given up was never held by anybody, so the read hold is as it was.
 *
 * **Readers of one process** share a place: those who come within one slice (20 ms or 1,024 grants). Who comes later
 * stands with a new place, behind the writers that queued meanwhile. So a writer waits for each process before it no longer
 * than a slice and the work of readers that hold. Each has a token of its own, `R * 1024 + j`. An upgrade ends the slice and
 * waits for the others of its own place too. What nobody knows of their writes is killed by writing the read key anew, since
 * its guard lives on in the writer's hold. Writers have places of their own.
 *
 * **Cost.** As a mutex: one request to acquire and one to release; waiting is one event for each that is waited for. A downgrade
 * or an upgrade is one request more.
 *
 * **Reply lost:** settled by the exactly-once store before anything else happens; where history was compacted, the line is
 * read: an upgrade's write key is there or not, and a downgrade's guarded deletion is asked again. **Session lost:** the keys go in one
 * revision and the holds' signals fire; who waits stands again with a new session, at the end of the line; an upgrade ends
 * with `session-lost`. **Process paused:** the clock is compared before every grant, and every write carries all guards.
 * **One of two keys deleted by somebody:** others may come in, so the hold is over: its guards are compared all together,
 * the watch tells of either, and the other key is deleted. A write key that goes while its upgrade waits is put again.
 */
import { invalidArgument } from '../errors.js';
import { Line } from '../line/index.js';
import { type Client, checkClient } from '../session/index.js';
import type { Granted } from './read-write/granted.js';
import type { ReadHold, WriteHold } from './read-write/holds.js';
import type { Kit } from './read-write/kit.js';
import {
  checkReadWriteOptions,
  checkReadWriteWait,
  type ReadWriteLockOptions,
  type ReadWriteWaitOptions,
} from './read-write/options.js';
import type { PlaceReadHold } from './read-write/read-hold.js';
import { ReadPlace } from './read-write/read-place.js';
import { ReadSlices } from './read-write/read-slices.js';
import { takePlace, tryPlace } from './read-write/take-place.js';
import { PlaceWriteHold } from './read-write/write-hold.js';

/**
 * A fair, fenced lock that many hold to read, or one to write, with upgrade and downgrade.
 *
 * - Order: writers, and readers behind a writer, by their places; nobody is passed over. Readers that hold together are in no order. Not
 *   reentrant.
 * - Guaranteed: in the store's order of revisions a writer holds alone. A downgrade lets no writer in between; an upgrade succeeds
 *   with nobody having written since, or is refused at once with `upgrade-conflict`. Writers' tokens strictly increase.
 * - Not guaranteed: that only those who hold *believe* to; that an upgrade succeeds; an order of readers' tokens.
 * - Session loss: signals fire, upgrades end with `session-lost`; who waits stands again with a new session, at the end of the line.
 * - Errors: `invalid-argument`, at once; of a wait `aborted`, `timeout`, `deadlock`, `closed`; of a hold `hold-lost`, `session-lost`,
 *   `fenced`, `upgrade-conflict`. While the store is away a wait goes on: give `timeoutMs` or `signal`.
 * - Cost: one request to acquire, to release, to downgrade or to upgrade, and one event for each that is waited for; readers of a process share.
 */
export class ReadWriteLock {
  readonly name: string;
  readonly #kit: Kit;
  readonly #readers: ReadSlices;

  /**
   * The read-write lock of this name in the client's namespace; no mutex of that name is meant. Share one object among the
   * callers of a process: only readers of one object share places. Making one sends nothing.
   */
  constructor(client: Client, name: string, options: ReadWriteLockOptions = {}) {
    checkClient(client);
    const settings = checkReadWriteOptions(options);
    const kit: Kit = {
      ...{ name, client, settings, line: new Line(client, client.keys.prefix('rwlock', name)) },
      writeHold: (taken) => new PlaceWriteHold(kit, taken),
      readHoldAfterWriting: (taken) => new ReadPlace(kit, taken, { grantsBefore: 1 }).grantHold(),
    };
    this.name = name;
    this.#kit = kit;
    this.#readers = new ReadSlices(kit);
  }

  /**
   * Waits until no writer holds or waits that came before, and holds together with other readers.
   *
   * Fair: a reader waits for the writers that queued before its place did, a writer for everybody before it. Not
   * reentrant: who holds and acquires again may wait behind a writer that waits for it.
   *
   * Errors: `aborted` and `timeout` as asked for; `deadlock`, with an `owner`; `closed`, `permission-denied`,
   * `unauthenticated`. While the store is away it keeps trying, so give `timeoutMs` or `signal`. If the session is lost
   * meanwhile, it stands again at the end of the line. Cost: one request to acquire, one to release, and none within a
   * slice; with an `owner` always these, and while it waits one read after `deadlockAfterMs` and about every 5 s.
   */
  acquireRead(options: ReadWriteWaitOptions = {}): Promise<ReadHold> {
    return this.#acquireRead(options);
  }

  /**
   * Waits until everybody who came before has gone, and holds alone. Fairness, errors and cost as of {@link acquireRead}; each
   * writer has a place of its own.
   */
  acquireWrite(options: ReadWriteWaitOptions = {}): Promise<WriteHold> {
    return this.#acquireWrite(options);
  }

  /**
   * Takes the lock to read if nobody writes or waits to; undefined otherwise. One request, none while readers of this process
   * are coming in: for a slice at most it comes in with them, whether a writer has queued meanwhile or not. Leaves nothing behind.
   *
   * Errors: `aborted` and `timeout` as asked for; what `client.session()` rejects with; `session-lost`; the store's own.
   */
  async tryAcquireRead(options: ReadWriteWaitOptions = {}): Promise<ReadHold | undefined> {
    const doing = this.#doing('trying', 'to read');
    checkReadWriteWait(options, doing);
    const shared = options.owner === undefined ? this.#readers.join() : undefined;
    if (shared !== undefined) return shared;
    const place = await tryPlace(this.#kit, 'reader', options, doing);
    return place && new ReadPlace(this.#kit, { place, owner: options.owner }).grantHold();
  }

  /** Takes the lock to write if nobody holds it or waits for it; undefined otherwise. One request. Errors as above. */
  async tryAcquireWrite(options: ReadWriteWaitOptions = {}): Promise<WriteHold | undefined> {
    const doing = this.#doing('trying', 'to write');
    checkReadWriteWait(options, doing);
    const place = await tryPlace(this.#kit, 'writer', options, doing);
    return place && this.#kit.writeHold({ place, owner: options.owner });
  }

  /**
   * Runs `work` under a reader's hold and releases it, whatever becomes of the work. If the hold was lost before the work had
   * ended well, rejects with that loss: a writer may have written meanwhile. A hold that the work upgrades it must release.
   */
  async withRead<T>(
    work: (hold: ReadHold) => Promise<T> | T,
    options: ReadWriteWaitOptions = {},
  ): Promise<T> {
    checkWork(work);
    return runUnder(await this.#acquireRead(options), work);
  }

  /** The same under a writer's hold. A hold that the work downgrades it must release. */
  async withWrite<T>(
    work: (hold: WriteHold) => Promise<T> | T,
    options: ReadWriteWaitOptions = {},
  ): Promise<T> {
    checkWork(work);
    return runUnder(await this.#acquireWrite(options), work);
  }

  async #acquireRead(options: ReadWriteWaitOptions): Promise<PlaceReadHold> {
    const doing = this.#doing('waiting', 'to read');
    checkReadWriteWait(options, doing);
    const { owner } = options;
    if (owner === undefined) return this.#readers.wait(options, doing);
    const place = await takePlace(this.#kit, 'reader', options, doing);
    return new ReadPlace(this.#kit, { place, owner }).grantHold();
  }

  async #acquireWrite(options: ReadWriteWaitOptions): Promise<PlaceWriteHold> {
    const doing = this.#doing('waiting', 'to write');
    checkReadWriteWait(options, doing);
    const place = await takePlace(this.#kit, 'writer', options, doing);
    return new PlaceWriteHold(this.#kit, { place, owner: options.owner });
  }

  #doing(what: 'waiting' | 'trying', to: 'to read' | 'to write'): string {
    return `${what} for the lock ${JSON.stringify(this.name)}, ${to}`;
  }
}

function checkWork(work: unknown): void {
  if (typeof work !== 'function') throw invalidArgument(`work is of type ${typeof work}`, 'a function');
}

async function runUnder<H extends Granted, T>(hold: H, work: (hold: H) => Promise<T> | T): Promise<T> {
  try {
    const result = await work(hold);
    await hold.confirm();
    return result;
  } finally {
    await hold.release();
  }
}
