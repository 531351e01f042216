/**
 * A barrier that is used again and again: `parties` members wait for each other, one of them runs an action, and all go on
 * to the next generation.
 *
 * **Protocol.** Keys below `{ns}/cyclic-barrier/{name}/`:
 * - `generation`, unleased: the fact that all wait for. It says the number of the generation, how many arrivals it takes, and
 *   `since`, the revision above which arrivals are of it.
 * - `m/{id}`, on its session's lease: a member. It is put when it first arrives, and again at each arrival: it has arrived in this
 *   generation if its mod revision is above `since`. It stands between generations too, so a member that dies before it
 *   arrives is noticed as well as one that waits. `joins` and `leaves` are put with each coming and going, and their versions count
 *   these; so at any revision `joins - leaves - keys of members` says how many have died, whoever saw it or did not.
 * - `elect`, leased: who runs the action.
 *
 * Transactions, where g is the mod revision of `generation`:
 * - arrive: `IF generation exists, anchor stands, mod(m) = r THEN put m, get generation, elect, members above since, joins, leaves`. No
 *   generation is compared: whichever it meets, it counts there. So it is never refused by others, and its reply shows all.
 * - pass, by who finds n arrivals: `IF mod(generation) = g, create(elect) = 0 THEN put generation {+1, since: revision of the n-th arrival}`.
 *   Arrivals above that are of the next generation, without another request.
 * - with an action: `IF mod(generation) = g, create(elect) = 0, mod(m) = r THEN put elect` = x, then the action, then `IF mod(elect) = x THEN
 *   delete elect, {IF mod(generation) = g THEN put generation}`, passed, or broken if the action threw.
 * - break, shrink: `IF mod(generation) = g, create(elect) = 0 THEN put generation`. Give up: the same with `delete m, put leaves`.
 * - reset: `IF mod(generation) = g THEN delete elect, put generation {+1}`.
 * All that ends or changes a generation is a write of one key, compared, so all who arrived are told the same.
 *
 * **Who waits for what.** All wait for `generation`: one event. The n-th arrival knows by its reply that all are there, and
 * ends the generation. The first to arrive is the monitor: it watches the members for deletions, and also ends a generation
 * whose last arrival died on the way; see vigil.ts.
 *
 * **When things go wrong.** Reply lost: settled by the exactly-once store; where that cannot tell, what stands is read. Session
 * lost, or the process dead: its member goes with the lease, and its role as elect too; `deadMembers` says what comes of it, once
 * fewer members are left than are asked for. Process paused: what it finds later is decided by its arrival's revision against the
 * ends of generations, of which the record keeps 64. Watch cut, or history compacted: `generation` is read. It is never a release
 * that the key is absent, or that a watch failed. All members gone: who comes first begins anew, also where it was broken.
 *
 * The proposal was arrivals under `p/{generation}/`, deleted when it passes. That tells the monitor of n deletions a generation, has
 * late ones arrive a second time, and cannot notice who dies between its arrivals, where members spend their time.
 *
 * **Wrong variants**, each planted as a mutant: to count who arrived without the revision that began the generation; to end one
 * without comparing it; to let late arrivals pass with the others; to run the action without a claim, or let all go before it is over;
 * a release that is concluded from the absence of a key; an arrival that is left by one who gave up.
 */
import { checkWaitOptions, TimeLeft, type WaitOptions, waitFor } from '../runtime/index.js';
import { orGiveUp } from '../runtime/or-give-up.js';
import { type Client, checkClient } from '../session/index.js';
import { checkName, compare, get, put, remove } from '../store/index.js';
import { Attempt } from './cyclic/attempt.js';
import { Board } from './cyclic/board.js';
import { cyclicKeysOf } from './cyclic/cyclic-keys.js';
import { electOf, lastOf } from './cyclic/elect.js';
import { begunAnew, encodeGeneration } from './cyclic/generation.js';
import { type CyclicKit, insist } from './cyclic/kit.js';
import {
  type CyclicBarrierOptions,
  type CyclicBarrierView,
  type CyclicPassage,
  checkCyclicOptions,
} from './cyclic/options.js';
import { looks, looksCount, seenIn } from './cyclic/seen.js';
import { labelIn } from './member-record.js';

/**
 * Lets `parties` members wait for each other, generation by generation, as `java.util.concurrent.CyclicBarrier` does, between
 * processes. Share one object among the callers of a process; each call that waits at a time is a member of its own.
 *
 * - Guaranteed: nobody passes a generation before as many have arrived in it as it takes; one arrival passes one generation; all
 *   who arrived in it are told the same, that it passed or that it is broken; the action is finished, once, before anybody passes.
 * - Order: who arrives first is of the sooner generation. Who comes late, when all the others are there, is of the next one.
 * - `deadMembers`, when a member that has once arrived dies or loses its session, arrived or not, and fewer are left than it takes:
 *   `break` (default) tells all of them `barrier-broken`; `wait` lets them wait for another in its place; `shrink` goes on with the
 *   rest, until another joins. An elect that dies in its action is a member that dies; by the last two policies another one runs the
 *   action again.
 * - A wait that is given up, by `signal` or `timeoutMs`, breaks the generation by the policy `break`, as a thread that is interrupted
 *   does in Java; by the others the rest wait on. It is a member no more.
 * - A broken barrier stays so until `reset()`, or until nobody is a member any more.
 * - Not guaranteed: that somebody who never arrived is missed when it dies; use `timeoutMs`, or a `Phaser`, where members register.
 *   Nor that an action runs only once if its elect dies, or loses its session while it goes on: write under `context.guard()`.
 * - Cost: one request to arrive, whose reply names those who arrived before; one event to be released; the last one of a generation
 *   sends one more request, or two with an action.
 *   The first arrival of an object reads once before, and opens a watch. Who waits reads about twice a TTL.
 */
export class CyclicBarrier implements AsyncDisposable {
  readonly name: string;
  readonly #client: Client;
  readonly #kit: CyclicKit;
  readonly #board: Board;

  /** Making one sends nothing. Errors: `invalid-argument`. */
  constructor(client: Client, name: string, options: CyclicBarrierOptions) {
    checkClient(client);
    checkName(name, 'barrier name');
    const settings = checkCyclicOptions(options);
    this.name = name;
    this.#client = client;
    this.#kit = { client, name, keys: cyclicKeysOf(client, name), settings };
    this.#board = new Board(this.#kit);
  }

  get parties(): number {
    return this.#kit.settings.parties;
  }

  /**
   * Arrives, and waits until the generation has passed.
   *
   * Errors: `barrier-broken`, whose `details` tell the `generation`, the `reason` (`member-lost`, `gave-up`, `action-failed`, `reset`,
   * `forgotten`) and `by` whom, and whose `cause` is what the action threw, if it ran here; `session-lost` if this session is lost
   * while it waits, and then nobody here knows what becomes of the generation; `aborted` and `timeout` as asked for: it may have
   * passed at that moment; `invalid-argument` if others use the barrier with other `parties` or `deadMembers`; `codec` if somebody has written
   * something else to its key; `closed`, `permission-denied`, `unauthenticated`.
   */
  async arriveAndAwait(options: WaitOptions = {}): Promise<CyclicPassage> {
    const doing = `waiting at the barrier ${JSON.stringify(this.name)}`;
    checkWaitOptions(options, doing);
    const attempt = (givenUp: AbortSignal) => new Attempt(this.#kit, this.#board, givenUp).run();
    return await orGiveUp(this.#client.runtime, attempt, () => {}, options, doing);
  }

  /**
   * Breaks the generation for all who wait, with the reason `reset`, and begins the next one, with all `parties`. Works on a broken
   * barrier too, and on one that nobody waits at. An action under way loses its claim. Cost: one read and one request.
   */
  async reset(options: WaitOptions = {}): Promise<void> {
    const doing = `resetting the barrier ${JSON.stringify(this.name)}`;
    checkWaitOptions(options, doing);
    const attempt = (givenUp: AbortSignal) => this.#reset(givenUp);
    await orGiveUp(this.#client.runtime, attempt, () => {}, options, doing);
  }

  /** How the barrier is, by one read. */
  async inspect(options: WaitOptions = {}): Promise<CyclicBarrierView> {
    const doing = `looking at the barrier ${JSON.stringify(this.name)}`;
    checkWaitOptions(options, doing);
    const { keys, settings } = this.#kit;
    const success = [...looks(keys, 0), { type: 'range' as const, ...keys.members }];
    const { replies, revision } = await this.#client.store.txn(
      { compare: [], success, failure: [] },
      options,
    );
    const { now, arrived, live, elect } = seenIn(replies.slice(0, looksCount), revision, settings);
    const last = replies.at(-1);
    const labels = new Map(last?.type === 'range' ? last.kvs.map((kv) => [kv.key, labelIn(kv)]) : []);
    return {
      ...{ revision, generation: now.generation, parties: now.parties, required: now.required },
      arrived: arrived.map(({ key }) => labels.get(key) ?? ''),
      members: live,
      elect: elect && electOf(elect)?.label,
      broken: now.broken && { reason: now.broken.reason, by: now.broken.by },
    };
  }

  /**
   * Leaves the barrier with all members of this object that do not wait: they are not missed, and others may take their
   * places. Resolves when that is certain, or the session is over. Never rejects. One request each.
   */
  async leave(): Promise<void> {
    const { keys } = this.#kit;
    const leaving = this.#board.members.takeAll().map(({ key, revision, session }) =>
      insist(this.#kit, session, {
        compare: [compare.mod(key, 'equal', revision)],
        success: [remove(key), put(keys.leaves, '')],
        failure: [],
      }),
    );
    await Promise.all(leaving);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.leave();
  }

  /**
   * Deletes what is stored of a barrier that nobody uses any more. False if somebody is a member of it. One request. What is
   * stored is three small keys.
   */
  async remove(options: WaitOptions = {}): Promise<boolean> {
    const doing = `removing the barrier ${JSON.stringify(this.name)}`;
    checkWaitOptions(options, doing);
    const { keys } = this.#kit;
    const left = new TimeLeft(this.#client.runtime, options, doing);
    await waitFor(this.#client.runtime, this.leave(), left.all(), doing);
    const request = {
      compare: [compare.create(keys.members, 'equal', 0), compare.create(keys.elect, 'equal', 0)],
      success: [{ type: 'delete' as const, ...keys.all }],
      failure: [],
    };
    return (await this.#client.store.txn(request, left.forRequest())).succeeded;
  }

  async #reset(signal: AbortSignal): Promise<void> {
    const { client, keys } = this.#kit;
    for (;;) {
      const { now, dead } = await this.#board.read(signal);
      if (now.mod === 0) return;
      const { succeeded, replies, revision } = await client.store.txn(
        {
          compare: [compare.mod(keys.generation, 'equal', now.mod)],
          success: [
            remove(keys.elect),
            put(keys.generation, encodeGeneration(begunAnew(now, dead))),
            get(keys.generation),
          ],
          failure: [get(keys.generation)],
        },
        { signal },
      );
      this.#board.learn(lastOf(replies), revision);
      if (succeeded) return;
    }
  }
}
