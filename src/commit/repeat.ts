/**
 * Transactions that need no lane, since they may be applied as often and as late as they like: `IF mod(k) = m THEN delete k`
 * changes nothing once k has another revision or none, and revisions do not recur.
 *
 * Such a request is sent as it is. After a lost reply it is sent again, and any reply decides: it is that of an execution of
 * the very request, and nothing is worked out from the past. What cannot be told from it is whether an earlier attempt was
 * the one that was applied: THEN says that this one was; ELSE, that it was not, and an earlier one may have been. An earlier
 * attempt may still arrive after the reply, and does no harm then: that is what its caller promises.
 *
 * A refusal decides only about the attempt that it answers, and there is no lane to fence the others off by: if one of them
 * is undecided, the outcome is unknown. It stays unknown too when nobody waits for it any more.
 */
import { Backoff, type Runtime } from '../runtime/index.js';
import type { AttemptSender } from './attempt-sender.js';
import { asNotApplied, asUnknown, kindOf, mayBeAppliedThough } from './failures.js';
import type { Member } from './member.js';
import type { MutableStats } from './mutable-stats.js';
import type { Stopper } from './stopper.js';
import { closedFate, type Verdict } from './verdict.js';

const firstRetryMs = 5;
const longestRetryMs = 2_000;

export interface RepeatParts {
  readonly runtime: Runtime;
  readonly sender: AttemptSender;
  readonly stopper: Stopper;
  readonly stats: MutableStats;
}

/** Sends the member's request by itself until there is an answer, or nobody waits for one. */
export async function repeat(parts: RepeatParts, member: Member): Promise<Verdict> {
  const { runtime, sender, stopper, stats } = parts;
  let backoff: Backoff | undefined;
  let undecided = false;
  for (;;) {
    const { reply, error } = await sender.send(member.request, member.bytes);
    if (reply !== undefined) {
      stats.pastLanes += 1;
      return { type: 'answered', reply };
    }
    member.trouble = error;
    const kind = kindOf(error);
    if (kind === 'unknown' || mayBeAppliedThough(error)) undecided = true;
    if (stopper.isStopped || kind === 'closed') return closedFate(undecided, error);
    if (kind === 'refused') {
      return undecided
        ? { type: 'unknown', error: asUnknown(error) }
        : { type: 'refused', error: asNotApplied(error) };
    }
    if (!undecided) return { type: 'unreached', error };
    backoff ??= new Backoff(runtime, { firstMs: firstRetryMs, longestMs: longestRetryMs });
    await stopper.pause(backoff.nextMs());
    if (stopper.isStopped) return closedFate(true, error);
    if (!member.isLive) return { type: 'unknown', error: asUnknown(error) };
    stats.resent += 1;
  }
}
