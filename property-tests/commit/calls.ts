import type { ObservedTxn } from '../../src/checkers/index.js';
import type { CommitStore, Lane } from '../../src/commit/index.js';
import { type ErrorCode, isQuorateError, type Outcome } from '../../src/errors.js';
import type { Timer } from '../../src/runtime/index.js';
import type { ProcessContext } from '../../src/simulator/index.js';
import type { TxnReply, TxnRequest } from '../../src/store/index.js';
import { releasedIn } from './releases.js';

/** What somebody asks of a commit store. */
export interface Asked {
  readonly marker: string;
  readonly request: TxnRequest;
  /** Infinity: for as long as it takes. */
  readonly timeoutMs: number;
  /** When the caller calls it off by its signal. */
  readonly abortAfterMs?: number | undefined;
  /** Only reads, and so puts no marker. */
  readonly isRead: boolean;
  /** Its leased put is guarded by the key that goes with the lease. */
  readonly isGuardedByAnchor: boolean;
  /** Goes through the lane of its own, not the shared ones. */
  readonly inOwnLane: boolean;
  /** Puts its marker only where its compares hold, and writes nothing where they do not. */
  readonly isOneSided: boolean;
  /** May be applied again, and has no marker. */
  readonly isRepeatable: boolean;
}

/** A call as its caller saw it. */
export interface Call {
  readonly marker: string;
  readonly request: TxnRequest;
  readonly process: string;
  readonly timeoutMs: number;
  /** Of the commit store that it was made on. */
  readonly storeId: string;
  readonly inOwnLane: boolean;
  readonly isRead: boolean;
  readonly isGuardedByAnchor: boolean;
  readonly isOneSided: boolean;
  readonly isRepeatable: boolean;
  /** What it is known by on its way. */
  readonly sentAs: string;
  /** It goes past the lanes, straight to the store underneath. */
  readonly passesBy: boolean;
  readonly startedAtMs: number;
  settledAtMs?: number;
  /** How long it took by the caller's own clock. */
  elapsedMs?: number;
  /** Its caller had called it off. */
  isAborted: boolean;
  /** The store was told to close. */
  isClosed: boolean;
  reply?: TxnReply;
  error?: {
    readonly code: ErrorCode;
    readonly outcome: Outcome;
    readonly details: Readonly<Record<string, unknown>>;
  };
}

/** Makes calls and keeps what became of them, of all processes and all their lives. */
export class Calls {
  readonly all: Call[] = [];
  readonly #nowMs: () => number;

  /** `nowMs`: true time. */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Resolves once the call has settled, however. */
  async make(context: ProcessContext, opened: OpenedStore, asked: Asked): Promise<Call> {
    const { marker, request, timeoutMs, inOwnLane, isRead, isGuardedByAnchor } = asked;
    const { isOneSided, isRepeatable } = asked;
    const startMs = context.runtime.monotonicMs();
    const call: Call = {
      ...{
        marker,
        request,
        timeoutMs,
        inOwnLane,
        isRead,
        isGuardedByAnchor,
        isOneSided,
        isRepeatable,
        sentAs: releasedIn(request) ?? marker,
        process: context.name,
        storeId: opened.id,
      },
      ...{ startedAtMs: this.#nowMs(), isAborted: false, isClosed: false, passesBy: isRead && !inOwnLane },
    };
    this.all.push(call);
    const callOff =
      asked.abortAfterMs === undefined ? undefined : this.#callOff(context, call, asked.abortAfterMs);
    try {
      const options = { timeoutMs, signal: callOff?.signal };
      call.reply = inOwnLane
        ? await opened.lane.txn(request, options)
        : await opened.store.txn(request, { ...options, repeatable: isRepeatable });
    } catch (error) {
      if (!isQuorateError(error)) throw error;
      const { code, outcome, details } = error;
      call.error = { code, outcome, details };
    }
    callOff?.timer.cancel();
    call.settledAtMs = this.#nowMs();
    call.elapsedMs = context.runtime.monotonicMs() - startMs;
    call.isClosed = opened.isClosing;
    return call;
  }

  #callOff({ runtime }: ProcessContext, call: Call, afterMs: number): { signal: AbortSignal; timer: Timer } {
    const controller = new AbortController();
    const timer = runtime.setTimer(afterMs, () => {
      call.isAborted = true;
      controller.abort(new Error('called off'));
    });
    return { signal: controller.signal, timer };
  }

  /** What a checker is told: all that shows in the history if it is applied. */
  observed(): ObservedTxn[] {
    return this.all
      .filter((call) => !call.isRead && !call.isRepeatable && !isDeclined(call))
      .map(({ marker, request, process, reply, error }) => ({
        ...{ marker, request, process },
        ...(reply === undefined ? {} : { reply }),
        ...(error === undefined ? {} : { error }),
      }));
  }
}

/** Its own compares did not hold, and so it wrote nothing. */
export function isDeclined({ isOneSided, reply }: Call): boolean {
  return isOneSided && reply?.succeeded === false;
}

/** A commit store with a lane of its own, and whether its user has told it to close. */
export interface OpenedStore {
  readonly id: string;
  readonly store: CommitStore;
  readonly lane: Lane;
  isClosing: boolean;
}
