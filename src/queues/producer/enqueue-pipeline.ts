/**
 * How items enter a queue, in the order of the calls and each exactly once.
 *
 * Key: `i/<R>/<producer>/<n>`, below `i/<level>/` in a queue that has levels, each with a gate of its own (`h/p/<level>` in place
 * of `h`) and an order of its own. R is the header revision of a linearizable read of the gates, sent *after* the
 * last call of the group arrived, and never below the R used before; n counts up in this object. So if A's enqueue
 * had returned before B's was called, then R_A < commit of A <= R_B, and A's key is the smaller one. Equal R happens
 * only among calls that overlapped.
 *
 * Transaction, on a lane of this object, one group in flight: see `group-request.ts`. A queue that operators have closed
 * (`h/ctl`, read with the gate and compared by the group) lets nothing in.
 *
 * In a bounded queue a group takes as much as its credit allows, and pays in its own revision: see bounds/.
 *
 * - *Reply lost*: the lane finds out whether the group was applied, and never applies it twice; what the conditions in it
 *   came to is worked out from the state before it.
 * - *This process pauses between read and commit*: the dispatcher's gate has moved on, or operators have closed the queue; the
 *   group is refused as a whole, read anew, and gets larger keys in the same order. No group behind it is sent before it.
 * - *The lease of a condition is gone* when the group arrives (this process paused for that long, or it was revoked): etcd
 *   refuses the whole group with `lease-not-found`, and nothing of it was applied. All leases are forgotten, others asked for,
 *   and the group sent anew in the same order. If an earlier attempt of it is undecided, the lane fences that first.
 * - *Session lost, watch cut, history compacted*: nothing here depends on them but the lane, see there.
 * - *The caller stops waiting*: what was not sent yet is dropped; what was sent may still be applied (`unknown`). A condition that
 *   was dropped decides about nobody: the next item about the same key takes its part.
 */

import type { Lane } from '../../commit/index.js';
import { isPassing, isPassingRead, QuorateError } from '../../errors.js';
import { Backoff, type Runtime, sharedController, sleep } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import type { KeyValue, LeaseId, Store } from '../../store/index.js';
import { Entrance, mayAdmitAgain } from '../bounds/entrance.js';
import { answerKnown, costOf } from '../bounds/known.js';
import { StoredTaskCheck } from '../conditions/known-names.js';
import { QueueControls } from '../control/queue-controls.js';
import type { ExpiringLeases } from '../expiring-leases.js';
import { asQuorateError } from '../failures.js';
import { itemId, type LevelName, type QueueKeys } from '../keys.js';
import type { QueueBound } from '../records/index.js';
import { admissionOf, createGates } from './admission.js';
import { groupRequest, type Reading } from './group-request.js';
import { PendingLine } from './pending-line.js';
import type { Submission } from './submission.js';

const retryDelay = { firstMs: 20, longestMs: 1_000 };
const laneTimeoutMs = 60_000;

/** What a group is made with. */
interface Preparation {
  readonly group: readonly Submission[];
  readonly reading: Reading;
  /** By how long what is on them is kept. */
  readonly leases: ReadonlyMap<number, LeaseId>;
}

export class EnqueuePipeline {
  readonly #client: Client;
  readonly #runtime: Runtime;
  readonly #store: Store;
  readonly #lane: Lane;
  readonly #keys: QueueKeys;
  readonly #leases: ExpiringLeases;
  readonly #producer: string;
  readonly #bound: QueueBound | undefined;
  readonly #entrance: Entrance;
  readonly #tasks: StoredTaskCheck;
  readonly #closed = sharedController();
  readonly #pending = new PendingLine();
  #counter = 0;
  #lastRevision = 0;
  #running = false;
  /** The group that was taken while the one before it commits. */
  #ahead: readonly Submission[] | undefined;
  /** One that was put back, as part of the one before it was. */
  #recalled: readonly Submission[] | undefined;
  #run: Promise<void> | undefined;

  constructor(options: {
    client: Client;
    lane: Lane;
    keys: QueueKeys;
    leases: ExpiringLeases;
    /** Becomes that of the queue, if nobody has decided yet. */
    bound: QueueBound | undefined;
  }) {
    const { client, keys } = options;
    this.#client = client;
    this.#runtime = client.runtime;
    this.#store = client.store;
    this.#lane = options.lane;
    this.#keys = keys;
    this.#leases = options.leases;
    this.#bound = options.bound;
    this.#producer = client.runtime.newId();
    this.#tasks = new StoredTaskCheck(keys);
    this.#entrance = new Entrance({ client, keys, closed: this.#closed.signal });
  }

  submit(submission: Submission): void {
    if (this.#closed.signal.aborted) {
      submission.reject(closedError());
      return;
    }
    this.#pending.add(submission);
    if (this.#running) return;
    this.#running = true;
    // A microtask later, so that calls of the same turn travel together.
    queueMicrotask(() => {
      this.#run = this.#enterAll();
    });
  }

  /** Refuses what is not sent yet, with `closed`; what is sent gets its answer. */
  close(): void {
    this.#closed.abort(closedError());
    this.#pending.refuseAll(closedError);
  }

  /** Gives back what it has in a bounded queue, when what was sent has its answer. For after the closing. */
  async leave(): Promise<void> {
    if (!this.#entrance.isInUse) return;
    await this.#run;
    await this.#entrance.close();
  }

  async #enterAll(): Promise<void> {
    let commit: Promise<void> | undefined;
    while (!this.#pending.isEmpty || commit !== undefined) {
      // A full group is read for while the one before it commits; others go on gathering meanwhile.
      if (commit !== undefined && !this.#pending.isFull) {
        await Promise.race([commit.then(() => (commit = undefined)), this.#pending.untilFull()]);
        if (this.#pending.isEmpty) continue;
      }
      const group = this.#pending.take();
      this.#ahead = commit === undefined ? undefined : group;
      const preparation = await this.#prepare(group, commit);
      await commit;
      this.#ahead = undefined;
      const isDue = preparation !== undefined && this.#recalled !== group;
      this.#recalled = undefined;
      commit = isDue ? this.#commit(preparation).catch(failing(group)) : undefined;
      if (!this.#entrance.isInUse) continue;
      await commit;
      commit = undefined;
      await this.#entrance.nobodyWaits(() => this.#pending.isEmpty);
    }
    this.#running = false;
  }

  /** What the group is made with; undefined if nobody waits for the group any more, or nothing is let in. */
  async #prepare(whole: readonly Submission[], before?: Promise<void>): Promise<Preparation | undefined> {
    let group = whole;
    for (;;) {
      const [reading, leases] = await Promise.all([this.#read(group), this.#leasesFor(group)]);
      if (reading?.bound === undefined) return reading && { group, reading, leases };
      // What it spends must be known first.
      await before;
      if (this.#recalled === whole) return undefined;
      if (before !== undefined) this.#ahead = undefined;
      const { bound } = reading;
      if (!this.#entrance.hasCreditFor(group)) {
        const unknown = await this.#retrying(group, isPassingRead, () => answerKnown(this.#store, group));
        if (unknown === undefined) return undefined;
        group = unknown;
      }
      const admitted = await this.#retrying(group, mayAdmitAgain, () =>
        this.#entrance.admit(group, bound, this.#pending.behind()),
      );
      if (admitted === 'again') continue;
      if (this.#closed.signal.aborted) for (const submission of group) submission.reject(closedError());
      if (admitted === undefined || admitted.length === 0) return undefined;
      this.#putBack(group, admitted);
      return { group: admitted, reading, leases };
    }
  }

  /** Those of the group that come behind what was admitted; and behind them the next, if that was taken already. */
  #putBack(group: readonly Submission[], admitted: readonly Submission[]): void {
    const last = admitted.at(-1);
    const rest = last === undefined ? [] : group.slice(group.indexOf(last) + 1);
    if (rest.length > 0 && this.#ahead !== undefined) {
      rest.push(...this.#ahead);
      this.#recalled = this.#ahead;
      this.#ahead = undefined;
    }
    this.#pending.putBack(rest);
  }

  /** The leases that conditions of the group write on, asked for beside the read. Who does not get one is told why. */
  async #leasesFor(group: readonly Submission[]): Promise<ReadonlyMap<number, LeaseId>> {
    const needing = new Map<number, Submission[]>();
    for (const submission of group) {
      for (const { condition } of submission.drafts) {
        const keptMs = condition?.keptMs;
        if (keptMs === undefined) continue;
        const sharing = needing.get(keptMs);
        if (sharing === undefined) needing.set(keptMs, [submission]);
        else if (sharing.at(-1) !== submission) sharing.push(submission);
      }
    }
    const leases = new Map<number, LeaseId>();
    for (const [keptMs, sharing] of needing) {
      const lease = await this.#retrying(sharing, mayGrantAgain, () => this.#leases.leaseFor(keptMs));
      if (lease !== undefined) leases.set(keptMs, lease);
    }
    return leases;
  }

  async #read(group: readonly Submission[]): Promise<Reading | undefined> {
    const levels = new Set(group.flatMap(({ drafts }) => drafts.map(({ level = '' }) => level)));
    return this.#retrying(group, isPassingRead, async () => {
      for (;;) {
        const { revision, kvs } = await this.#store.range(this.#keys.admission);
        const { missing, control, bound } = admissionOf(this.#keys, kvs, levels);
        const isMade =
          missing.length === 0 ||
          (await this.#store.txn(createGates(this.#keys, revision, missing))).succeeded;
        if (bound === undefined && this.#bound !== undefined) await this.#decide(this.#bound);
        else if (isMade) {
          this.#refuseUnknownTasks(group, kvs);
          return { revision, control, bound: bound ?? undefined };
        }
      }
    });
  }

  #refuseUnknownTasks(group: readonly Submission[], stored: readonly KeyValue[]): void {
    for (const submission of group) {
      try {
        this.#tasks.check(stored, submission.drafts);
      } catch (error) {
        submission.reject(asQuorateError(error));
      }
    }
  }

  /** Nobody has said how many items the queue holds: this object does, unless another is faster. */
  async #decide(bound: QueueBound): Promise<void> {
    await new QueueControls(this.#client, this.#keys).decideBound(bound);
  }

  async #commit(first: Preparation): Promise<void> {
    const backoff = new Backoff(this.#runtime, retryDelay);
    let preparation: Preparation | undefined = first;
    while (preparation !== undefined) {
      // Made anew for each attempt: who has left meanwhile was told that nothing of his was written.
      const live: Submission[] = preparation.group.filter(({ state }) => state !== 'over');
      if (live.length === 0) return;
      const outcome = await this.#attempt(live, preparation);
      if (outcome === 'settled') return;
      // Nothing of this was written, and nothing will be: who leaves from here on leaves nothing behind.
      for (const submission of live) if (submission.state === 'sent') submission.state = 'pending';
      if (outcome === 'lease-gone') this.#leases.forget();
      if (outcome !== 'refused') await this.#pause(live, backoff);
      if (outcome !== 'failed') preparation = await this.#prepare(live);
    }
  }

  /** Sends the group once. `'refused'`: by its gate or control. `'failed'`: for the moment, and certainly without effect. */
  async #attempt(
    live: readonly Submission[],
    { reading, leases }: Preparation,
  ): Promise<'settled' | 'refused' | 'failed' | 'lease-gone'> {
    this.#lastRevision = Math.max(this.#lastRevision, reading.revision);
    const behind = this.#pending.behind();
    const count = live.reduce((sum, submission) => sum + costOf(submission), 0);
    const spending = reading.bound && this.#entrance.spending(count, behind);
    const { request, answer } = groupRequest({
      ...{ keys: this.#keys, submissions: live, reading, spending },
      nextId: (level) => this.#nextId(level),
      leaseFor: (keptMs) => leases.get(keptMs) as LeaseId,
    });
    for (const submission of live) submission.state = 'sent';
    try {
      this.#entrance.doubt();
      const reply = await this.#lane.txn(request, { timeoutMs: laneTimeoutMs });
      if (!reply.succeeded) return 'refused';
      if (spending !== undefined) this.#entrance.spent(spending, behind, reply.revision);
      answer(reply);
      return 'settled';
    } catch (error) {
      const failure = asQuorateError(error);
      if (isPassing(failure)) return 'failed';
      // Of all that a group writes, only the leases of conditions can be missing: the lane is compared before.
      if (leases.size > 0 && failure.code === 'lease-not-found' && failure.outcome === 'not-applied') {
        return 'lease-gone';
      }
      for (const submission of live) submission.reject(failure);
      return 'settled';
    }
  }

  #nextId(level: LevelName): string {
    this.#counter += 1;
    return itemId(this.#lastRevision, this.#producer, this.#counter, level);
  }

  /**
   * Repeats an attempt for as long as it may be and someone waits for it. Undefined once nobody does, or when it
   * failed otherwise, which the callers then know.
   */
  async #retrying<T>(
    group: readonly Submission[],
    mayRetry: (error: unknown) => boolean,
    attempt: () => Promise<T>,
  ): Promise<T | undefined> {
    const backoff = new Backoff(this.#runtime, retryDelay);
    while (group.some((submission) => submission.state !== 'over')) {
      try {
        return await attempt();
      } catch (error) {
        const failure = asQuorateError(error);
        if (!mayRetry(failure)) {
          for (const submission of group) submission.reject(failure);
          return undefined;
        }
      }
      await this.#pause(group, backoff);
    }
    return undefined;
  }

  /** Once the object is closed nothing is tried again. */
  async #pause(group: readonly Submission[], backoff: Backoff): Promise<void> {
    await sleep(this.#runtime, backoff.nextMs(), { signal: this.#closed.signal }).catch(() => {
      for (const submission of group) submission.reject(closedError());
    });
  }
}

/** A grant that is asked for again is another, and one that was made after all expires unused. */
function mayGrantAgain(error: unknown): boolean {
  return isPassing(error) || isPassingRead(error);
}

function failing(group: readonly Submission[]): (error: unknown) => void {
  return (error) => {
    for (const submission of group) submission.reject(asQuorateError(error));
  };
}

function closedError(): QuorateError {
  return new QuorateError('closed', 'the queue object was closed');
}
