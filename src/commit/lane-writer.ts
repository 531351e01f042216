/**
 * Exactly-once writes through a lane.
 *
 * Why: a guard like `create(k) = 0` does not make a write safe to repeat. Once `k` may be deleted, an attempt
 * that was believed lost and arrives late creates it again. Looking whether it was applied does not help either,
 * since it may still be applied after the look.
 *
 * Key: `{lanePrefix}{id}`, the lane, on a lease of its own; `id` is random and never used again, not even by this
 * process. Only one writer writes it, with one request in flight. Its value is the number of the group, or of
 * the fence, that wrote it last; `m` is its mod revision, which the writer knows.
 *
 *     group n:   IF mod(lane) = m  THEN put lane := n, {member}, {member}, …  ELSE get lane
 *     one alone: IF mod(lane) = m, its compares  THEN put lane := n, what it does  ELSE get lane, what it reads then
 *     fence f:   IF mod(lane) = m  THEN put lane := f                         ELSE get lane
 *
 * At most one of all requests guarded by the same m is ever applied, because it changes mod(lane), and mod
 * revisions do not recur. m is never 0: a lane that is gone matches no request, however late it comes.
 *
 * When a reply to group n is lost, the same request is sent again, and its reply decides:
 * - THEN: it was applied now, and no earlier attempt was or ever will be.
 * - ELSE, the lane shows n at r: an earlier attempt was applied at r. What it answered is worked out from the
 *   state at r - 1 (`reply-recovery.ts`).
 * - ELSE, the lane is gone (its lease ended during a long cut) or shows a value that is not ours: nothing sent
 *   with m can be applied any more. The first change of the lane after m, out of its history, tells: if it put
 *   n, group n was applied at its revision, else never. If that change was compacted, what it left at the compact
 *   revision tells the same; if nothing is left there, the fate stays unknown.
 *   The lane is given up and a new one opened under a new id.
 *
 * Who is alone travels without an envelope, which spares etcd and us the work of one. If the ELSE shows the lane still at m,
 * what did not hold is one of its own compares: it is declined, the ELSE has read what it reads then, as of the revision of
 * the reply, and the lane stands where it stood. That decides only about the attempt that it answers. If an earlier one is
 * undecided, its compares may hold when it arrives; so a fence is sent, as after a refusal, and only then is it declined,
 * or else answered as applied. Who writes where its compares do not hold keeps its envelope, in which the lane moves on
 * with those writes too: else each late attempt would do them once more.
 *
 * When the store refuses group n:
 * - if every earlier attempt is known not to have been applied, it is refused: nothing was applied.
 * - if an earlier attempt is undecided, the refusal says nothing about that one: what was refused now (a lease
 *   not yet there, credentials) may pass a moment later. So a fence is sent, again and again until one is
 *   answered: THEN, or the lane showing f: group n never was applied and never can be. The lane showing n at r:
 *   it was applied. If the store refuses the fence for lack of space, the fence deletes the lane instead, which
 *   takes none. `no-space` itself leaves its request undecided: etcd may apply it and say so.
 *
 * When nobody waits for an undecided group any more, it is fenced too instead of being sent again, so that it
 * does not take effect long after its callers gave up. The lane carries nothing else until that is decided; so
 * nothing that was sent through a lane is ever applied after something sent later through it.
 *
 * When the process pauses: a request guarded by m stays right however late it is sent. When it dies: at most one
 * undecided request is left, and the lane goes with its lease. Closing revokes the lease, which fences what is
 * still on its way.
 *
 * Opening: `IF create(lane) = 0 THEN put lane := 0 ELSE get lane` may be repeated under the same id, since nobody
 * else writes the key; a late repetition after the lane is gone leaves an unused key on the lease.
 */
import { isQuorateError } from '../errors.js';
import { Backoff, invariant } from '../runtime/index.js';
import { type Key, type LeaseId, type TxnReply, textOf } from '../store/index.js';
import { AttemptSender } from './attempt-sender.js';
import type { Cargo } from './cargo.js';
import { asNotApplied, kindOf, mayBeAppliedThough } from './failures.js';
import { firstChangeAfter } from './lane-history.js';
import { type LaneContext, openLanes } from './lane-opening.js';
import {
  deletingRequest,
  groupRequest,
  isSole,
  lanePut,
  type Position,
  shownLane,
  soleReply,
  soleRequest,
} from './lane-requests.js';
import type { Stopper } from './stopper.js';
import {
  closedFate,
  type Fate,
  fencedOff,
  laneGone,
  type Shut,
  unknownFate,
  type Verdict,
} from './verdict.js';

const firstRetryMs = 5;
const longestRetryMs = 2_000;

export class LaneWriter {
  readonly #context: LaneContext;
  readonly #stopper: Stopper;
  readonly #backoff: Backoff;
  readonly #sender: AttemptSender;
  #position: Position | undefined;
  /** A key whose creation was sent and not answered. */
  #opening: { readonly key: Key; readonly lease: LeaseId } | undefined;
  /** Number of the last group or fence. */
  #sequence = 0;

  constructor(context: LaneContext, stopper: Stopper, position?: Position) {
    this.#context = context;
    this.#stopper = stopper;
    this.#position = position;
    this.#sender = new AttemptSender(context, stopper);
    this.#backoff = new Backoff(context.runtime, { firstMs: firstRetryMs, longestMs: longestRetryMs });
  }

  get isOpen(): boolean {
    return this.#position !== undefined;
  }

  /** The lane's key, while it has one. */
  get key(): Key | undefined {
    return this.#position?.key;
  }

  /** Opens the lane if it has no key. One attempt; answers why it is not open. */
  async open(): Promise<Shut | undefined> {
    if (this.#position !== undefined) return undefined;
    try {
      this.#position = await this.#openAnew();
      return undefined;
    } catch (error) {
      return kindOf(error) === 'refused' && !isQuorateError(error, 'lease-not-found')
        ? { type: 'no-lane', error: asNotApplied(error) }
        : { type: 'unreached', error };
    }
  }

  /** Brings the group to a decision; takes as long as that takes, unless the lane is stopped. The lane must be open. */
  async commit(cargo: Cargo): Promise<Verdict> {
    const position = this.#position;
    invariant(position !== undefined, 'a group is sent through an open lane');
    this.#backoff.reset();
    const sequence = this.#nextSequence();
    const { members, bytes } = cargo;
    const sole = isSole(members) ? members[0] : undefined;
    const request = sole ? soleRequest(position, sequence, sole) : groupRequest(position, sequence, members);
    let undecided = false;
    for (;;) {
      const { reply, error } = await this.#sender.send(request, bytes);
      if (reply?.succeeded) {
        this.#moveTo(position, reply.revision);
        return sole ? { type: 'answered', reply: soleReply(reply) } : { type: 'replied', reply };
      }
      if (sole && reply && shownLane(reply)?.modRevision === position.revision) {
        const declined: Verdict = { type: 'answered', reply: soleReply(reply) };
        return this.#onceFenced(declined, undecided, position, sequence, cargo);
      }
      if (reply !== undefined) return this.#read(reply, position, sequence, undecided, cargo);
      cargo.onTrouble(error);
      const kind = kindOf(error);
      if (kind === 'unknown' || mayBeAppliedThough(error)) undecided = true;
      if (this.#stopper.isStopped || kind === 'closed') return closedFate(undecided, error);
      if (kind === 'refused') {
        const refused: Verdict = { type: 'refused', error: asNotApplied(error) };
        return this.#onceFenced(refused, undecided, position, sequence, cargo);
      }
      if (!undecided) return { type: 'unreached', error };
      await this.#stopper.pause(this.#backoff.nextMs());
      if (this.#stopper.isStopped) return closedFate(undecided, error);
      if (!cargo.isWanted()) return this.#fence(position, sequence, cargo);
      this.#context.stats.resent += 1;
    }
  }

  async #openAnew(): Promise<Position> {
    const lease = await this.#context.lease.current();
    if (this.#opening?.lease !== lease) this.#opening = undefined;
    this.#opening ??= { key: this.#context.lanePrefix + this.#context.runtime.newId(), lease };
    const { key } = this.#opening;
    try {
      const [position] = await openLanes(this.#context, this.#stopper, [key], lease);
      invariant(position !== undefined, 'opening one lane gives one position');
      this.#opening = undefined;
      return position;
    } catch (error) {
      if (isQuorateError(error, 'lease-not-found')) this.#context.lease.forget(lease);
      throw error;
    }
  }

  /** What a definite answer to one attempt means for the group, if no earlier attempt is undecided; else that one is fenced off first. */
  async #onceFenced(
    answer: Verdict,
    undecided: boolean,
    position: Position,
    sequence: string,
    cargo: Cargo,
  ): Promise<Verdict> {
    if (undecided) {
      const fate = await this.#fence(position, sequence, cargo);
      if (fate.type !== 'unreached') return fate;
    }
    return answer;
  }

  /** Makes sure that no request guarded by `position` can be applied any more, and finds out if group `sequence` was. */
  async #fence(position: Position, sequence: string, cargo: Cargo): Promise<Fate> {
    const fence = this.#nextSequence();
    let request = groupRequest(position, fence, []);
    this.#context.stats.fenced += 1;
    for (;;) {
      const { reply, error } = await this.#sender.send(request, 0);
      if (reply !== undefined) {
        if (!reply.succeeded) return this.#resolve(reply, position, sequence, fence, cargo);
        this.#moveTo(position, request.success[0]?.type === 'delete' ? undefined : reply.revision);
        return fencedOff();
      }
      cargo.onTrouble(error);
      if (isQuorateError(error, 'no-space')) request = deletingRequest(position);
      if (this.#stopper.isStopped || kindOf(error) === 'closed') return closedFate(true, error);
      await this.#stopper.pause(this.#backoff.nextMs());
      if (this.#stopper.isStopped) return closedFate(true, error);
    }
  }

  /** A reply that shows the lane elsewhere. */
  async #read(
    reply: TxnReply,
    position: Position,
    sequence: string,
    undecided: boolean,
    cargo: Cargo,
  ): Promise<Verdict> {
    if (undecided) return this.#resolve(reply, position, sequence, undefined, cargo);
    await this.#giveUp();
    return { type: 'unreached', error: laneGone() };
  }

  /** What became of group `sequence`, after a reply that shows the lane changed since `position`. */
  async #resolve(
    reply: TxnReply,
    position: Position,
    sequence: string,
    fence: string | undefined,
    cargo: Cargo,
  ): Promise<Fate> {
    const shown = shownLane(reply);
    const value = shown && textOf(shown.value);
    if (shown !== undefined && (value === sequence || (fence !== undefined && value === fence))) {
      this.#moveTo(position, shown.modRevision);
      return value === sequence ? this.#applied(shown.modRevision, position, sequence) : fencedOff();
    }
    await this.#giveUp();
    return this.#replay(position, sequence, cargo);
  }

  /** Nothing guarded by `position` can be applied any more; the lane's history tells what was. */
  async #replay(position: Position, sequence: string, cargo: Cargo): Promise<Fate> {
    const { store, runtime, attemptTimeoutMs: timeoutMs } = this.#context;
    for (;;) {
      const change = await firstChangeAfter(store, runtime, this.#stopper, { ...position, timeoutMs });
      switch (change.type) {
        case 'put':
          if (textOf(change.kv.value) !== sequence) return fencedOff();
          return this.#applied(change.kv.modRevision, position, sequence);
        case 'delete':
          return fencedOff();
        case 'compacted':
          return unknownFate(position.revision, change.compactRevision);
        case 'silent':
          cargo.onTrouble(change.error);
      }
      if (this.#stopper.isStopped || kindOf(change.error) === 'closed') {
        return closedFate(true, change.error);
      }
      // Nobody wants to know, and the lane that is gone holds off whatever is still on its way.
      if (!cargo.isWanted()) return unknownFate(position.revision, undefined);
      await this.#stopper.pause(this.#backoff.nextMs());
    }
  }

  #applied(revision: number, position: Position, sequence: string): Fate {
    this.#context.stats.resolvedByLane += 1;
    return { type: 'applied', revision, lanePut: lanePut(position, sequence) };
  }

  #moveTo(position: Position, revision: number | undefined): void {
    this.#position =
      revision === undefined ? undefined : { key: position.key, lease: position.lease, revision };
  }

  /** The lane is gone or no longer ours. If its lease is gone too, the next one needs a new lease. */
  async #giveUp(): Promise<void> {
    this.#position = undefined;
    // An unreachable store answers the same question again when a new lane is opened on the lease.
    await this.#context.lease.verify().catch(() => {});
  }

  #nextSequence(): string {
    this.#sequence += 1;
    return String(this.#sequence);
  }
}
