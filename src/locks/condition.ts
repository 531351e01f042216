/**
 * A condition variable on a mutex: who holds the lock and finds that it cannot go on gives the lock up and waits, until
 * another holder has changed something and says so.
 *
 * **Protocol.** Who waits has a key `{ns}/condition/{lock}/{condition}/w/{v}` on its session's lease; `l/{v}`, of the same name, is
 * its place in the lock's line once it is notified. k is the key of a hold, which was written at revision m.
 * - wait, by a holder: `IF mod(k) = m, anchor stands THEN delete k, put w/{v}, range w/`: gives the lock up and begins to wait
 *   in one revision. Whoever notifies held the lock after that, so no notification is lost between the two.
 * - notify, by a holder: `IF mod(k) = m, mod(w/{v}) = x, create(l/{v}) = 0 THEN delete w/{v}, put l/{v} (on v's lease)`. The key of
 *   v proves that its lease lives; one that is dead, or has given up, is refused, and the next one is notified.
 * - notify all: `IF mod(k) = m THEN delete the range w/`: each finds its key gone and no place, and queues by itself.
 * - give up: `IF mod(w/{v}) = x THEN delete w/{v}`. Refused, it was notified, and passes that on to the oldest waiter u:
 *   `IF mod(l/{v}) = p, mod(w/{u}) = y, create(l/{u}) = 0 THEN delete l/{v}, delete w/{u}, put l/{u}`; with nobody there it leaves.
 *
 * **Who waits for what.** Waiters watch their keys, by one watch for each `Condition` object. When its own has gone, a waiter looks
 * for its place: it was notified, and waits for its turn in the lock's line. Without one it queues at the end.
 *
 * **When things go wrong.** Reply lost: settled by the exactly-once store; where that cannot tell, who asked to wait
 * makes sure that its hold is gone and goes on as if woken. Session lost, or the process dead: its key or its place goes with
 * the lease, and a notification that had reached it dies with it. Key deleted by somebody: as if notified with all others.
 * Watch cut or silent: the keys are read, at the latest after about a TTL.
 */
import { invalidArgument, QuorateError } from '../errors.js';
import { Line } from '../line/index.js';
import {
  checkWaitOptions,
  checkWaitOptionsOr,
  sharedController,
  TimeLeft,
  type WaitOptions,
  waitFor,
} from '../runtime/index.js';
import type { Client } from '../session/index.js';
import { checkName, type KeyValue, removePrefix, segmentOf, type TxnReply } from '../store/index.js';
import { Wait } from './condition/wait.js';
import { lookAtWaiters, moveFirst, moveOf } from './condition/waiters.js';
import type { Hold, HoldInternals } from './hold.js';
import { internalsOf, internalsOfHold } from './mutex/internals.js';
import type { LockReport } from './mutex/lock-report.js';
import type { Mutex } from './mutex.js';

/** Waiters wait for no other waiter, and never have their turn: they are notified, by the deletion of their keys. */
const untilDeleted = {
  waitsFor: () => false,
  admission: { admits: () => false },
};

/**
 * A condition variable of a {@link Mutex}: who holds the lock and cannot go on gives it up and waits, until another holder has changed
 * something and notifies it. Wait in a loop, or by `waitUntil`.
 *
 * - Order: `notify` wakes who has waited longest; who is woken queues for the lock among all others.
 * - Guaranteed: a wait gives the lock up and begins in one revision, so no notification is lost; who comes back holds the lock.
 * - Not guaranteed: that the condition still holds then; that a notification outlives a waiter that dies with it.
 * - Session loss: a wait rejects with `session-lost`, and the lock is not held then.
 * - Errors: `invalid-argument`, for which nothing was done; `aborted`, `timeout`, `deadlock`, `hold-lost`, `session-lost`, `fenced`, `no-space`,
 *   `closed`.
 * - Cost: a wait, one request to begin, one event and two reads when it is notified, after `notifyAll` one request more; a notification, one
 *   request or two.
 */
export class Condition {
  readonly name: string;
  readonly #mutexName: string;
  readonly #client: Client;
  readonly #line: Line;
  readonly #waiters: Line;
  readonly #watchHoldAfterMs: number;
  readonly #report: LockReport;
  /** Who was the oldest waiter after the last notification: nobody who waits now is older. */
  #next: KeyValue | undefined;

  /**
   * The condition of this name on the lock of this mutex. A lock may have several conditions. Share one object, and
   * one `Mutex`, among the callers of a process. Making one sends nothing.
   */
  constructor(mutex: Mutex, name: string) {
    const { client, line, options, report } = internalsOf(mutex);
    checkName(name, 'condition name');
    const prefix = `${client.keys.prefix('condition', mutex.name)}${segmentOf(name)}/`;
    this.name = name;
    this.#mutexName = mutex.name;
    this.#client = client;
    this.#line = line;
    this.#waiters = new Line(client, prefix, { suffix: 'w/', shape: untilDeleted });
    this.#watchHoldAfterMs = options.watchHoldAfterMs;
    this.#report = report;
  }

  /**
   * Gives the lock up, waits until it is notified, queues for the lock and comes back with a new hold of it. The old hold is
   * over from the call on; its signal does not fire for that. Writes under way are waited for first.
   *
   * Spurious wake-ups are possible, and others may have had the lock in between. So wait in a loop, or use {@link waitUntil}:
   *
   * ```ts
   * let hold = await mutex.acquire();
   * try {
   *   while (!(await isReady(hold))) hold = await condition.wait(hold, { timeoutMs: 30_000 });
   *   await use(hold);
   * } finally {
   *   await hold.release();
   * }
   * ```
   *
   * **Whatever it rejects with, the lock is not held then**, save `invalid-argument`, for which nothing was done, and `hold-lost`
   * where a `handOff` of the same hold was under way, whose answer says what became of it. Not within
   * `runExclusive`, which releases the hold that it gave and knows of no other.
   *
   * - Order: waiters are notified first come, first served, and queue for the lock among all others.
   * - Other callers of this `Mutex` object that wait for the lock queue again, since the process's turn ends.
   * - `signal` and `timeoutMs` end it at any moment; a notification that had come by then is passed on to another waiter.
   * - Of a hold that was taken for an `owner` the new one is too, and so is the wait for the lock after it was woken.
   * - Errors: `aborted` and `timeout` as asked for; `deadlock`, with an owner; `hold-lost` and `session-lost` if the hold was lost before; `session-lost`
   *   if the session is lost while it waits: it may have been notified, so let whoever goes on notify again; `no-space` if the
   *   store takes no puts; `closed`, `permission-denied`, `unauthenticated`.
   * - Cost: one request to begin; when woken one event and two reads, and one request if it has to queue by itself; one
   *   request to release. The first wait of an object opens a watch, and reads up to three times.
   */
  async wait(hold: Hold, options: WaitOptions = {}): Promise<Hold> {
    const doing = `waiting for the condition ${this.#described}`;
    const held = this.#internalsOf(hold);
    checkWaitOptionsOr(() => hold.release(), options, doing);
    await this.#checkHeld(hold, held);
    const parts = {
      ...{ client: this.#client, line: this.#line, waiters: this.#waiters },
      ...{ watchHoldAfterMs: this.#watchHoldAfterMs, report: this.#report },
    };
    // Another call may have begun to give it up in the same breath.
    if (!hold.isHeld) throw givenUpBefore();
    const wait = new Wait(parts, held);
    const givenUp = sharedController();
    const attempt = wait.run(hold, held, givenUp.signal);
    try {
      return await waitFor(this.#client.runtime, attempt, options, doing);
    } catch (error) {
      givenUp.abort(error);
      attempt.then(
        (late) => wait.giveBack(late),
        () => {},
      );
      throw error;
    }
  }

  /**
   * Notifies who has waited longest, under a hold of the lock. Answers how many were notified: 1, or 0 if nobody waits. It has
   * a place in the lock's line then, and goes on when the hold is released and its turn comes.
   *
   * If it dies before its turn, the notification dies with it. Where that must not stop the others, use {@link notifyAll}, or
   * let waits end by a `timeoutMs` now and then and look again.
   *
   * Errors: `fenced`, `hold-lost`, `session-lost`, `aborted` and `timeout` as those of `hold.txn`, with their outcome.
   * Cost: one request; one more, to see who waits, if the last notification of this object showed nobody.
   */
  async notify(hold: Hold, options: WaitOptions = {}): Promise<number> {
    const doing = `notifying the condition ${this.#described}`;
    this.#internalsOf(hold);
    checkWaitOptions(options, doing);
    const left = new TimeLeft(this.#client.runtime, options, doing);
    const move = async (waiter: KeyValue) => {
      const { compare, ops } = moveOf(waiter, this.#waiters, this.#line);
      const success = [...ops, lookAtWaiters(this.#waiters, 1)];
      const reply = await hold.txn({ compare, success }, left.forRequest());
      if (reply.succeeded) [this.#next] = lastRange(reply);
      return reply.succeeded;
    };
    const next = this.#next;
    this.#next = undefined;
    if (next !== undefined && (await move(next))) return 1;
    const look = async () =>
      lastRange(await hold.txn({ success: [lookAtWaiters(this.#waiters)] }, left.forRequest()));
    return (await moveFirst(look, move)) ? 1 : 0;
  }

  /**
   * Notifies everybody who waits at that revision, under a hold of the lock. Answers how many they were. Each queues for the
   * lock by itself, so in any order, and behind those who queue already; who has died meanwhile keeps nobody waiting.
   *
   * Errors as those of {@link notify}. Cost: one request, and one for each who was notified.
   */
  async notifyAll(hold: Hold, options: WaitOptions = {}): Promise<number> {
    this.#internalsOf(hold);
    checkWaitOptions(options, `notifying the condition ${this.#described}`);
    const { replies } = await hold.txn({ success: [removePrefix(this.#waiters.prefix)] }, options);
    this.#next = undefined;
    const [reply] = replies;
    return reply?.type === 'delete' ? reply.deleted : 0;
  }

  /**
   * Waits until `predicate`, which is asked under the lock, before the first wait and after each, says yes. Answers the hold
   * under which it did. **Whatever it rejects with, the lock is not held then**: the errors of {@link wait}, and what the
   * predicate throws.
   */
  async waitUntil(
    hold: Hold,
    predicate: (hold: Hold) => Promise<boolean> | boolean,
    options: WaitOptions = {},
  ): Promise<Hold> {
    const doing = `waiting for the condition ${this.#described}`;
    this.#internalsOf(hold);
    if (typeof predicate !== 'function') {
      throw invalidArgument(`predicate is of type ${typeof predicate}`, 'a function');
    }
    checkWaitOptionsOr(() => hold.release(), options, doing);
    const left = new TimeLeft(this.#client.runtime, options, doing);
    let held = hold;
    try {
      while (!(await predicate(held))) held = await this.wait(held, left.forRequest());
      return held;
    } catch (error) {
      void held.release();
      throw error;
    }
  }

  get #described(): string {
    return `${JSON.stringify(this.name)} of the lock ${JSON.stringify(this.#mutexName)}`;
  }

  #internalsOf(hold: Hold): HoldInternals {
    const held = internalsOfHold(hold);
    if (held?.line === this.#line) return held;
    throw invalidArgument(
      'what was given is no hold of its lock',
      'a hold of the Mutex that it was made with',
    );
  }

  async #checkHeld(hold: Hold, { place }: HoldInternals): Promise<void> {
    if (!hold.isHeld) await place.settled();
    if (hold.isHeld) return;
    if (place.state.status === 'gone') throw place.state.error;
    place.session.assertLive();
    throw givenUpBefore();
  }
}

function givenUpBefore(): QuorateError {
  return new QuorateError('hold-lost', 'the hold was released before the wait began');
}

function lastRange({ replies }: TxnReply): readonly KeyValue[] {
  const last = replies.at(-1);
  return last?.type === 'range' ? last.kvs : [];
}
