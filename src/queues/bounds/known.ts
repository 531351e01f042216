import { nested, type Store, txnOf } from '../../store/index.js';
import type { Condition, Draft, Enqueued, Submission } from '../producer/submission.js';

/** Reads of conditions in one request: below etcd's 128 operations on a path, with those of a condition. */
const conditionsPerRead = 60;
const callTimeoutMs = 10_000;

/** What it takes to let these in: room for each that enters at once. What waits for its delay is counted when it comes due. */
export function costOf({ drafts }: { readonly drafts: readonly Draft[] }): number {
  return drafts.reduce((sum, { delayMs = 0 }) => (delayMs > 0 ? sum : sum + 1), 0);
}

/**
 * Answers what would not enter, as its condition does not hold now: that takes no room, and nothing is to make room for it.
 * Returns the rest, in order; of a call that is known in part, the part that is not. Two of one call, or of two at the same
 * time, that have the same key and are both new are not told apart here: each needs room, and one of them enters.
 */
export async function answerKnown(
  store: Store,
  submissions: readonly Submission[],
): Promise<readonly Submission[]> {
  const conditions = submissions.flatMap(({ drafts }) =>
    drafts.flatMap(({ condition }) => (condition === undefined ? [] : [condition])),
  );
  if (conditions.length === 0) return submissions;
  const declined = await declinedOf(store, conditions);
  return submissions.flatMap((submission) => {
    const known = new Map<number, Enqueued | undefined>();
    submission.drafts.forEach(({ condition }, index) => {
      if (condition !== undefined && declined.has(condition)) known.set(index, declined.get(condition));
    });
    if (known.size === 0) return [submission];
    if (known.size < submission.drafts.length) return [without(submission, known)];
    submission.resolve(submission.drafts.map((_, index) => known.get(index)));
    return [];
  });
}

async function declinedOf(
  store: Store,
  conditions: readonly Condition[],
): Promise<ReadonlyMap<Condition, Enqueued | undefined>> {
  const declined = new Map<Condition, Enqueued | undefined>();
  for (let from = 0; from < conditions.length; from += conditionsPerRead) {
    const some = conditions.slice(from, from + conditionsPerRead);
    const reads = some.map(({ compare, failure }) => nested({ compare, failure }));
    const { replies } = await store.txn(txnOf({ success: reads }), { timeoutMs: callTimeoutMs });
    some.forEach((condition, index) => {
      const reply = replies[index];
      if (reply?.type === 'txn' && !reply.succeeded)
        declined.set(condition, condition.declined(reply.replies));
    });
  }
  return declined;
}

/** The same call, of which some results are known. */
function without(whole: Submission, known: ReadonlyMap<number, Enqueued | undefined>): Submission {
  return {
    drafts: whole.drafts.filter((_, index) => !known.has(index)),
    bytes: whole.bytes,
    get state() {
      return whole.state;
    },
    set state(state) {
      whole.state = state;
    },
    get onOver() {
      return whole.onOver;
    },
    set onOver(onOver) {
      whole.onOver = onOver;
    },
    resolve: (results) => {
      const others = [...results];
      whole.resolve(whole.drafts.map((_, index) => (known.has(index) ? known.get(index) : others.shift())));
    },
    reject: (error) => whole.reject(error),
  };
}
