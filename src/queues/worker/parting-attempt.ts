/** How a transaction that parts with a job is sent, until it is known what became of it: see held-job.ts. */
import { isPassing, isPassingRead, isQuorateError, QuorateError } from '../../errors.js';
import { Backoff, linkedSignal, sleep, TimeLeft, type WaitOptions } from '../../runtime/index.js';
import {
  type CallOptions,
  type Compare,
  get,
  type Key,
  type Op,
  remove,
  type TxnReply,
  txnOf,
} from '../../store/index.js';
import type { AssignedJob } from '../records/index.js';
import type { HeldJobContext } from './held-job.js';

const retryDelay = { firstMs: 20, longestMs: 1_000 };
/** Leases found gone one after another, before it is told: the lease may be one of the caller's own operations. */
const mostLeases = 3;

/** Where a job in hand stands. */
export type Custody =
  | 'held'
  /** A transaction that parts with it is under way. */
  | 'settling'
  | 'acknowledged'
  | 'given-back'
  /** In the dead letters, by this worker. */
  | 'dead'
  /** Somebody cancelled it. */
  | 'cancelled'
  /** It was taken from this worker, or deleted. */
  | 'superseded';

/** What one attempt sends beside the guards, and what its reply means. */
export interface Attempt {
  readonly success: readonly Op[];
  /** Undefined: nothing was applied, and another attempt is to be made. */
  readonly custodyAfter: (reply: TxnReply) => Custody | undefined;
}

/** Makes one, after what it needs first. `cleanUp`: deletions that may travel along. */
export type Attempting = (cleanUp: readonly Op[], limits: WaitOptions) => Attempt | Promise<Attempt>;

/** The job, as far as it matters here. */
export interface Undecided {
  readonly assigned: AssignedJob;
  readonly guards: readonly Compare[];
  readonly isResultWanted: boolean;
  /** An attempt to part with it may have been applied. */
  isUncertain: boolean;
}

/** Repeats it until it is decided, or may not be repeated. */
export async function sendUntilDecided(
  job: Undecided,
  context: HeldJobContext,
  options: CallOptions,
  attempt: Attempting,
  cleanUp: readonly Key[],
): Promise<{ reply: TxnReply; custody: Custody }> {
  const { keys, store, runtime, leases, signal } = context;
  const { id } = job.assigned;
  const left = new TimeLeft(runtime, options, `ending job ${id}`);
  let backoff: Backoff | undefined;
  let leasesGone = 0;
  for (;;) {
    let isSent = false;
    try {
      const limits = left.forRequest();
      const made = attempt(
        cleanUp.map((record) => remove(record)),
        limits,
      );
      // Most need nothing first.
      const { success, custodyAfter } = made instanceof Promise ? await made : made;
      const request = txnOf({
        compare: job.guards,
        success,
        failure: [get(keys.item(id), { keysOnly: true }), get(keys.generation(id), { keysOnly: true })],
      });
      isSent = true;
      const reply = await store.txn(request, limits);
      const custody = reply.succeeded ? custodyAfter(reply) : 'superseded';
      if (custody !== undefined) return { reply, custody };
      continue;
    } catch (error) {
      const unknown = isSent && isQuorateError(error) && error.outcome === 'unknown';
      job.isUncertain ||= unknown;
      if (isQuorateError(error, 'lease-not-found') && job.isResultWanted && leasesGone < mostLeases) {
        leasesGone += 1;
        leases.forget();
        continue;
      }
      const mayRepeat =
        !signal.aborted && options.signal?.aborted !== true && options.timeoutMs === undefined;
      const isMomentary = unknown || (isSent ? isPassing(error) : mayPass(error));
      if (!mayRepeat || !isMomentary) throw job.isUncertain ? asUnknown(error) : error;
    }
    backoff ??= new Backoff(runtime, retryDelay);
    const until = linkedSignal(signal, options.signal);
    await sleep(runtime, backoff.nextMs(), { signal: until.signal }).catch(() => {});
    until.unlink();
  }
}

/** What an attempt needs first, reads and leases and gates, changes nothing of the job: whether it was applied does not matter. */
function mayPass(error: unknown): boolean {
  return isPassingRead(error) || isQuorateError(error, 'no-space');
}

/** An attempt before this failure may have been applied. */
function asUnknown(error: unknown): unknown {
  if (!isQuorateError(error) || error.outcome === 'unknown') return error;
  return new QuorateError(error.code, error.message, { outcome: 'unknown', cause: error });
}
