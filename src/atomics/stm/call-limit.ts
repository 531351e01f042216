import { isQuorateError, QuorateError } from '../../errors.js';
import {
  abortedError,
  offAbort,
  onAbort,
  type Runtime,
  sharedController,
  type Timer,
  type WaitOptions,
} from '../../runtime/index.js';

/** The `signal` and the `timeoutMs` of one call as one signal, whose reason is what the caller is told. */
export class CallLimit {
  readonly signal: AbortSignal;
  readonly #timer: Timer | undefined;
  readonly #unlink: () => void;

  constructor(runtime: Runtime, { signal, timeoutMs }: WaitOptions, doing: string) {
    const controller = sharedController();
    this.signal = controller.signal;
    const abort = () => controller.abort(abortedError(signal as AbortSignal, doing));
    if (signal !== undefined) onAbort(signal, abort);
    this.#unlink = () => signal !== undefined && offAbort(signal, abort);
    if (timeoutMs === undefined || timeoutMs === Number.POSITIVE_INFINITY) return;
    this.#timer = runtime.setTimer(timeoutMs, () => {
      controller.abort(new QuorateError('timeout', `no result within ${timeoutMs} ms while ${doing}`));
    });
  }

  /** Throws what the caller is told, if the call is over. */
  check(): void {
    if (this.signal.aborted) throw this.signal.reason;
  }

  /** What the caller is told of this failure: by its own limit, if that is over, with the outcome that the failure has. */
  told(failure: unknown): unknown {
    const { aborted, reason } = this.signal;
    if (!aborted || !isQuorateError(reason) || !isQuorateError(failure)) return failure;
    return new QuorateError(reason.code, reason.message, { outcome: failure.outcome, cause: reason.cause });
  }

  end(): void {
    this.#timer?.cancel();
    this.#unlink();
  }
}
