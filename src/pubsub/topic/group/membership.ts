/**
 * One life of a member: from its key to the end of its session, or to its leaving. It looks at the members and the owners,
 * works out who is to own what (assignment.ts), claims what is its own as soon as nobody owns it, and gives up what is not.
 *
 * - *Reply lost*: an owner's key with this member's name that it knows nothing of is a claim whose answer never came: it reads the
 *   cursor under that term, and works on it or gives it up. What is left of these as it leaves is looked for and taken away.
 * - *Session lost*: this life is over. Handlers are told by their signals, nothing of it is acknowledged any more, and the keys go with
 *   the lease. consumer.ts begins the next life once all handlers have ended.
 * - *This process pauses*: the same, if it outlasts the lease: handlers are told as soon as it runs again, and what they acknowledge
 *   before that is refused by the term (cursor-writer.ts). Others have owned its partitions since the lease ended.
 * - *Watch cut, history compacted*: members and owners are read anew (group-view.ts). What is owned is worked on meanwhile; nothing is
 *   claimed or given up until they are known.
 */
import { isQuorateError, QuorateError } from '../../../errors.js';
import { Backoff, sharedController, sleep } from '../../../runtime/index.js';
import type { Client } from '../../../session/index.js';
import { compare, remove, textOf, txnOf } from '../../../store/index.js';
import { asQuorateError, mayWriteAgain } from '../failures.js';
import type { GroupKeys, TopicKeys } from '../keys.js';
import { startingPlaces } from '../reading/starting.js';
import { retrying } from '../retrying.js';
import { assign } from './assignment.js';
import { type Claimed, claim, disclaim, type Member, reread } from './claims.js';
import type { ConsumerEvent, ConsumerSettings } from './consume-options.js';
import { type Cursor, cursorAt, decodeCursor } from './cursor.js';
import { type GroupState, GroupView, movedAt } from './group-view.js';
import { type Deliver, PartitionWork } from './partition-work.js';

const retryDelay = { firstMs: 50, longestMs: 2_000 };
const timeoutMs = 10_000;

export interface MembershipOptions {
  readonly client: Client;
  readonly keys: TopicKeys;
  readonly group: GroupKeys;
  readonly partitions: number;
  readonly settings: ConsumerSettings;
  readonly deliver: Deliver;
  readonly tell: (event: ConsumerEvent) => void;
  readonly member: Member;
}

/** What a member does about one partition. */
interface Tenure {
  work: PartitionWork | undefined;
  /** How long its handlers have, if it is to be given up. */
  graceMs: number | undefined;
  /** Resolves when they have had it. */
  readonly outOfTime: Promise<void>;
  onOutOfTime(): void;
  readonly done: Promise<void>;
}

export class Membership {
  readonly #options: MembershipOptions;
  readonly #view: GroupView;
  readonly #tenures = new Map<number, Tenure>();
  /** Of partitions that could not be begun. */
  readonly #backoffs = new Map<number, Backoff>();
  /** Fires with the session, and at the end. */
  readonly #over = sharedController();
  /** Fires when it is to leave. */
  readonly #leaving = sharedController();
  #graceMs = 0;
  #wake: () => void = () => {};

  constructor(options: MembershipOptions) {
    this.#options = options;
    this.#view = new GroupView(options.client, options.group);
  }

  /** Asks it to leave; {@link run} then does. */
  leave(graceMs: number): void {
    this.#graceMs = graceMs;
    this.#leaving.abort();
    this.#wake();
  }

  /** Resolves when it has left or its session is lost, and every handler has ended. Rejects if it cannot go on; it has left then too. */
  async run(): Promise<void> {
    const { session } = this.#options.member;
    const stop = this.#view.onChange(() => this.#wake());
    const onLost = () => this.#wake();
    session.signal.addEventListener('abort', onLost, { once: true });
    try {
      while (session.isLive() && !this.#leaving.signal.aborted) {
        const changed = this.#changed();
        const state = this.#view.state;
        if (state !== undefined) await this.#reconcile(state);
        if (!session.isLive() || this.#leaving.signal.aborted) break;
        await changed;
      }
    } finally {
      // However it ended: the session may live on, and nobody would get what is on it.
      if (session.isLive()) await this.#leave();
      this.#over.abort(lost());
      for (const { work } of this.#tenures.values()) work?.abandon(lost());
      await Promise.all([...this.#tenures.values()].map(({ done }) => done));
      session.signal.removeEventListener('abort', onLost);
      stop();
      this.#view.close();
    }
  }

  /** Resolves at the next news from now on. */
  #changed(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** Throws if this member is none any more. */
  async #reconcile(state: GroupState): Promise<void> {
    const { member, partitions } = this.#options;
    if (state.members.get(member.id) !== member.create) {
      await member.session.verify().catch(() => {});
      throw new QuorateError('unavailable', 'this member was taken out of its group');
    }
    const plan = assign([...state.members.keys()], partitions);
    for (let partition = 0; partition < partitions; partition += 1) {
      const tenure = this.#tenures.get(partition);
      const owner = state.owners.get(partition);
      const isMine = plan[partition] === member.id;
      if (tenure !== undefined) {
        if (!isMine) this.#giveUp(tenure, this.#options.settings.handoverMs);
        this.#checkMoved(partition, tenure.work, state);
      } else if (owner === undefined) {
        if (isMine) this.#take(partition, undefined);
      } else if (owner.member === member.id) {
        // A claim whose answer never came. If it is another's by now, it is only to be given up.
        this.#take(partition, owner.term);
        if (!isMine) this.#giveUp(this.#tenures.get(partition), 0);
      }
    }
  }

  /** A cursor was moved after it was read: what this owner would write is refused anyway. */
  #checkMoved(partition: number, work: PartitionWork | undefined, state: GroupState | undefined): void {
    if (work === undefined || work.isOver || state === undefined) return;
    if (movedAt(state, partition) <= work.asOf) return;
    work.abandon(new QuorateError('fenced', 'somebody moved the cursor of the group'));
  }

  #giveUp(tenure: Tenure | undefined, graceMs: number): void {
    if (tenure === undefined || tenure.graceMs !== undefined) return;
    tenure.graceMs = graceMs;
    const timer = this.#options.client.runtime.setTimer(graceMs, tenure.onOutOfTime);
    void tenure.done.then(() => timer.cancel());
    void tenure.work?.release(graceMs);
  }

  #take(partition: number, term: number | undefined): void {
    let end: () => void = () => {};
    let onOutOfTime: () => void = () => {};
    const outOfTime = new Promise<void>((resolve) => {
      onOutOfTime = resolve;
    });
    const done = new Promise<void>((resolve) => {
      end = resolve;
    });
    const tenure: Tenure = { work: undefined, graceMs: undefined, outOfTime, onOutOfTime, done };
    this.#tenures.set(partition, tenure);
    const finish = () => {
      this.#tenures.delete(partition);
      end();
      this.#wake();
    };
    const complain = async (error: unknown) => {
      if (this.#over.signal.aborted) return;
      this.#options.tell({ type: 'error', error });
      const { runtime } = this.#options.client;
      const backoff = this.#backoffs.get(partition) ?? new Backoff(runtime, retryDelay);
      this.#backoffs.set(partition, backoff);
      await sleep(runtime, backoff.nextMs(), { signal: this.#leaving.signal }).catch(() => {});
    };
    void this.#hold(partition, tenure, term).catch(complain).then(finish);
  }

  /** From the claim to the end of the ownership. */
  async #hold(partition: number, tenure: Tenure, known: number | undefined): Promise<void> {
    const { client, group, member, tell } = this.#options;
    const { signal } = this.#over;
    const backoff = new Backoff(client.runtime, retryDelay);
    let claimed: Claimed | undefined;
    try {
      claimed =
        known === undefined
          ? await claim(client, group, partition, member)
          : await reread(client, group, partition, known, signal);
    } finally {
      // It is looked at again after a while only: the view may not show yet who was first.
      if (claimed === undefined) await sleep(client.runtime, backoff.nextMs(), { signal }).catch(() => {});
    }
    if (claimed === undefined) return;
    const { term } = claimed;
    const letGo = async () => {
      await disclaim(client, group, partition, term, signal);
      tell({ type: 'released', partition });
    };
    while (claimed !== undefined && !signal.aborted) {
      // Whether its cursor can be read does not matter then.
      if (tenure.graceMs !== undefined) return letGo();
      const work = await this.#begin(partition, tenure, claimed);
      this.#backoffs.delete(partition);
      const end = await work.over;
      if (end.type === 'fenced') {
        if (!signal.aborted) tell({ type: 'fenced', partition, reason: end.error.message });
        await Promise.race([work.ended, tenure.outOfTime]);
      }
      // Over the heads of those who have not ended within their time.
      if (tenure.graceMs !== undefined && !signal.aborted) await letGo();
      // Nothing of this partition is begun anew by this member before that.
      await work.ended;
      if (signal.aborted || tenure.graceMs !== undefined || end.type === 'released') return;
      if (!isQuorateError(end.error, 'fenced')) await sleep(client.runtime, backoff.nextMs(), { signal });
      claimed = await reread(client, group, partition, term, signal);
    }
  }

  /** Begins to work on it with the cursor as it was read. */
  async #begin(partition: number, tenure: Tenure, { term, cursor, asOf }: Claimed) {
    const { client, keys, group, settings, deliver, tell } = this.#options;
    const { signal } = this.#over;
    let stored: Cursor;
    if (cursor !== undefined) stored = decodeCursor(cursor);
    else {
      // Somebody has taken it away. What is acknowledged is not known any more.
      const [place] = await startingPlaces({ client, keys, partitions: [partition], signal }, 'start');
      stored = cursorAt(place?.after ?? { revision: 0, index: -1 }, place?.count);
    }
    tell({ type: 'claimed', partition, term, asOf });
    const work = new PartitionWork({
      ...{ client, keys, group, partition, term, settings, deliver, tell, asOf },
      ...{ cursor: stored, cursorMod: cursor?.modRevision ?? 0 },
    });
    tenure.work = work;
    if (signal.aborted) work.abandon(lost());
    else if (tenure.graceMs !== undefined) void work.release(tenure.graceMs);
    // It may have been moved between the read and now.
    this.#checkMoved(partition, work, this.#stateOrNone());
    return work;
  }

  #stateOrNone(): GroupState | undefined {
    try {
      return this.#view.state;
    } catch {
      return undefined;
    }
  }

  /** First the key, so that the others know whose turn it is; then one partition after the other, as handlers end. */
  async #leave(): Promise<void> {
    const { client, group, member } = this.#options;
    const key = group.member(member.id);
    const request = txnOf({ compare: [compare.create(key, 'equal', member.create)], success: [remove(key)] });
    const { signal } = member.session;
    const options = { timeoutMs, signal, repeatable: true };
    for (const tenure of this.#tenures.values()) this.#giveUp(tenure, this.#graceMs);
    const attempt = () => client.store.txn(request, options);
    const left = retrying(client, signal, attempt, mayWriteAgain).catch(asQuorateError);
    const released = Promise.all([...this.#tenures.values()].map(({ done }) => done));
    const isLost = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    await Promise.race([Promise.all([left, released.then(() => this.#sweep())]), isLost]);
  }

  /** Claims whose answers never came. */
  async #sweep(): Promise<void> {
    const { client, group, member } = this.#options;
    const { signal } = member.session;
    try {
      const { kvs } = await retrying(client, signal, () =>
        client.store.range(group.owners, { timeoutMs, signal }),
      );
      for (const { key, value, createRevision } of kvs) {
        const partition = group.partitionIn(key);
        if (partition === undefined || textOf(value) !== member.id) continue;
        await disclaim(client, group, partition, createRevision, signal);
      }
    } catch {
      // They end with the session.
    }
  }
}

function lost(): QuorateError {
  return new QuorateError('session-lost', 'this member is not one of its group any more');
}
