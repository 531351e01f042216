import type { QuorateError } from '../errors.js';
import { Backoff, invariant, waitFor } from '../runtime/index.js';
import type { Key, PutOp, TxnReply } from '../store/index.js';
import { AttemptSender } from './attempt-sender.js';
import { type GroupLimits, wrapperBytes, wrapperOps } from './batch.js';
import { isSameForAll } from './failures.js';
import type { LaneContext } from './lane-opening.js';
import type { Position } from './lane-requests.js';
import { LaneWriter } from './lane-writer.js';
import type { Member } from './member.js';
import { type RepeatParts, repeat } from './repeat.js';
import { recoverReplies } from './reply-recovery.js';
import { Stopper } from './stopper.js';
import type { Shut, Verdict } from './verdict.js';
import { WaitingMembers } from './waiting-members.js';

/** Microtask rounds that a gathering waits while each brings new members. */
const longestGathering = 16;
const firstRetryMs = 10;
const longestRetryMs = 2_000;
/** How long stopping may take once everything under way has been told to stop. */
const stoppingMs = 500;
/** What a server's limits are believed to allow at the least. */
const fewestOps = 8;
const fewestBytes = 64 * 1_024;

const settled = Promise.resolve();

export interface CommitterOptions {
  /** Where its lanes stand. */
  readonly lanes: readonly Position[];
  /** Apply the transactions in the order of the calls. Takes one lane. */
  readonly inOrder: boolean;
  /** Shared, since what one committer learns of the server's limits holds for all. */
  readonly limits: GroupLimits;
}

/**
 * Gathers waiting transactions into groups and sends them through its lanes, one group in flight on each. There
 * is no timer: the members of a group are those that came while the lanes were busy, and those of the same tick.
 *
 * A refused group has not been applied at all and is taken apart by halves, so that only who is guilty fails,
 * with the store's own error. A group that did not reach the store goes back to the head of the queue and is
 * tried again until its members' callers give up.
 */
export class Committer {
  readonly #context: LaneContext;
  readonly #waiting: WaitingMembers;
  readonly #limits: GroupLimits;
  readonly #stopper: Stopper;
  readonly #lanes: readonly LaneWriter[];
  readonly #idle: LaneWriter[];
  readonly #past: RepeatParts;
  /** The groups that lanes are at work on, and those whose replies are being worked out. */
  readonly #underWay = new Set<readonly Member[]>();
  #gathering = false;
  /** Rounds that this gathering has waited, and how many it had seen by then. */
  #rounds = 0;
  #seen = 0;
  #onQuiet: () => void = () => {};

  constructor(context: LaneContext, options: CommitterOptions) {
    this.#context = context;
    this.#limits = options.limits;
    this.#waiting = new WaitingMembers({ inOrder: options.inOrder });
    this.#stopper = new Stopper(context.runtime);
    this.#lanes = options.lanes.map((position) => new LaneWriter(context, this.#stopper, position));
    this.#idle = [...this.#lanes];
    const { runtime, stats } = context;
    const sender = new AttemptSender(context, this.#stopper);
    this.#past = { runtime, sender, stopper: this.#stopper, stats };
  }

  submit(member: Member): Promise<TxnReply> {
    this.#waiting.add(member);
    this.#gather();
    return member.reply;
  }

  /** The keys of its lanes. */
  get laneKeys(): readonly Key[] {
    return this.#lanes.map((lane) => lane.key).filter((key) => key !== undefined);
  }

  /** Waits until nothing is under way, but not longer than `timeoutMs`, and ends the rest. */
  async close(timeoutMs: number): Promise<void> {
    const drained = this.#drained();
    await this.#within(timeoutMs, drained);
    this.#stopper.stop();
    for (const member of this.#waiting.drain()) member.abandon();
    for (const group of this.#underWay) for (const member of group) member.abandon();
    await this.#within(stoppingMs, drained);
  }

  async #within(timeoutMs: number, work: Promise<void>): Promise<void> {
    await waitFor(this.#context.runtime, work, { timeoutMs }, 'closing').catch(() => {});
  }

  /** Resolves once nothing is under way. */
  #drained(): Promise<void> {
    return new Promise((resolve) => {
      this.#onQuiet = resolve;
      this.#tellIfQuiet();
    });
  }

  #tellIfQuiet(): void {
    if (!this.#gathering && this.#underWay.size === 0) this.#onQuiet();
  }

  #gather(): void {
    if (this.#gathering || this.#idle.length === 0 || this.#waiting.size === 0) return;
    this.#gathering = true;
    this.#rounds = 0;
    this.#seen = 0;
    void settled.then(this.#round);
  }

  readonly #round = (): void => {
    const { size } = this.#waiting;
    this.#rounds += 1;
    if (size > this.#seen && size < this.#limits.maxOps && this.#rounds < longestGathering) {
      this.#seen = size;
      void settled.then(this.#round);
      return;
    }
    this.#gathering = false;
    this.#depart();
    this.#tellIfQuiet();
  };

  /** Sends groups off on idle lanes. */
  #depart(): void {
    while (this.#idle.length > 0) {
      const group = this.#waiting.gather(this.#limits);
      if (group.length === 0) return;
      const lane = this.#idle.pop();
      if (lane === undefined) return;
      this.#underWay.add(group);
      void this.#carry(lane, group);
    }
  }

  /** Brings one group to its end, and makes the lane free for the next. */
  async #carry(lane: LaneWriter, group: readonly Member[]): Promise<void> {
    let backoff: Backoff | undefined;
    const parts: (readonly Member[])[] = [group];
    while (!this.#stopper.isStopped) {
      const next = parts.shift();
      if (next === undefined) break;
      const wanted = living(next);
      if (wanted.length === 0) continue;
      const shut = lane.isOpen || isRepeatable(wanted) ? undefined : await this.#open(lane, wanted);
      // Who gave up until now was told that it is not applied, and must not be.
      const part = living(wanted);
      if (part.length === 0) continue;
      const verdict = shut ?? (await this.#commit(lane, part));
      if (verdict.type === 'unreached') {
        for (const member of part) member.markWaiting();
        parts.unshift(part);
        backoff ??= new Backoff(this.#context.runtime, { firstMs: firstRetryMs, longestMs: longestRetryMs });
        await this.#stopper.pause(backoff.nextMs());
      } else parts.unshift(...this.#settle(part, verdict));
    }
    this.#idle.push(lane);
    this.#underWay.delete(group);
    this.#gather();
    this.#tellIfQuiet();
  }

  async #open(lane: LaneWriter, members: readonly Member[]): Promise<Shut | undefined> {
    const shut = await lane.open();
    if (shut !== undefined) for (const member of members) member.trouble = shut.error;
    return shut;
  }

  #commit(lane: LaneWriter, members: readonly Member[]): Promise<Verdict> {
    for (const member of members) member.markSent();
    if (isRepeatable(members)) return repeat(this.#past, members[0]);
    return lane.commit({
      members: members.map((member) => member.request),
      bytes: members.reduce((sum, { bytes }) => sum + bytes, 0),
      isWanted: () => members.some((member) => member.isLive),
      onTrouble: (error) => {
        for (const member of members) member.trouble = error;
      },
    });
  }

  /** Answers the members, or returns the parts to be sent again. */
  #settle(
    members: readonly Member[],
    verdict: Exclude<Verdict, { type: 'unreached' }>,
  ): (readonly Member[])[] {
    switch (verdict.type) {
      case 'replied':
        this.#count(members);
        for (let index = 0; index < members.length; index += 1) {
          answer(members[index] as Member, verdict.reply, index);
        }
        return [];
      case 'answered':
        if (!isRepeatable(members)) this.#count(members);
        members[0]?.resolve(verdict.reply);
        return [];
      case 'applied': {
        this.#count(members);
        void this.#recover(members, verdict.revision, verdict.lanePut);
        return [];
      }
      case 'refused':
        if (members.length > 1 && !isSameForAll(verdict.error))
          return this.#takeApart(members, verdict.error);
        break;
      case 'no-lane':
      case 'unknown':
        break;
    }
    for (const member of members) member.reject(verdict.error);
    return [];
  }

  /** Works out what the members were answered, while the lane goes on. */
  async #recover(applied: readonly Member[], revision: number, lanePut: PutOp): Promise<void> {
    const members = [...applied];
    this.#underWay.add(members);
    await recoverReplies(this.#context, this.#stopper, { members, revision, lanePut });
    this.#underWay.delete(members);
    this.#tellIfQuiet();
  }

  #count(members: readonly Member[]): void {
    this.#context.stats.groups += 1;
    this.#context.stats.members += members.length;
  }

  #takeApart(members: readonly Member[], error: QuorateError): (readonly Member[])[] {
    this.#context.stats.split += 1;
    for (const member of members) member.markWaiting();
    // The server's limits may be set lower than the usual ones, on which members alone were checked.
    if (error.code === 'too-many-operations') {
      const ops = Math.max(...members.map((member) => member.ops)) + members.length + wrapperOps;
      this.#limits.maxOps = Math.max(fewestOps, Math.min(this.#limits.maxOps, Math.floor(ops * 0.75)));
    } else if (error.code === 'request-too-large') {
      const bytes = members.reduce((sum, member) => sum + member.bytes, wrapperBytes);
      this.#limits.maxBytes = Math.max(
        fewestBytes,
        Math.min(this.#limits.maxBytes, Math.floor(bytes * 0.75)),
      );
    }
    const half = Math.ceil(members.length / 2);
    return [members.slice(0, half), members.slice(half)];
  }
}

/** Whether it is one that may go past the lane. */
function isRepeatable(members: readonly Member[]): members is readonly [Member] {
  return members.length === 1 && members[0]?.isRepeatable === true;
}

/** Those whose callers still wait. */
function living(members: readonly Member[]): readonly Member[] {
  return members.every((member) => member.isLive) ? members : members.filter((member) => member.isLive);
}

/** The member's part of the reply to its group; the lane's own put comes first. */
function answer(member: Member, reply: TxnReply, index: number): void {
  const part = reply.replies[index + 1];
  invariant(part?.type === 'txn', 'a group is answered by one nested reply for each of its members');
  const { succeeded, replies } = part;
  member.resolve({ revision: reply.revision, succeeded, replies });
}
