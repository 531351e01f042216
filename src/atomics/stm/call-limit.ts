import { isQuorateError, QuorateError } from '../../errors.js';
import { Patience, type Runtime, sharedController, type WaitOptions } from '../../runtime/index.js';

/** The `signal` and the `timeoutMs` of one call as one signal, whose reason is what the caller is told. */
export class CallLimit {
  readonly signal: AbortSignal;
  readonly #patience: Patience;

  constructor(runtime: Runtime, options: WaitOptions, doing: string) {
    const controller = sharedController();
    this.signal = controller.signal;
    this.#patience = new Patience(runtime, options, doing, (error) => controller.abort(error));
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
    this.#patience.end();
  }
}
