import { type ErrorCode, QuorateError } from '../../errors.js';
import { Patience, type Runtime } from '../../runtime/index.js';
import type { CallOptions } from '../../store/index.js';
import type { Member } from '../cluster/member.js';
import type { ServerCallKind, ServerResult } from '../cluster/server-call.js';

/** How a call fails that no server has answered. */
export interface CallFailure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly cause?: unknown;
}

/** A call of a process, from its beginning until its caller knows. It is settled in the process's own events only. */
export class OpenCall<T> {
  readonly kind: ServerCallKind;
  readonly doing: string;
  readonly promise: Promise<T>;
  /** It has left the process, so that nobody here can say that it was not applied. */
  isSent = false;
  /** Where it was sent last. */
  sentTo: Member | undefined;
  #settled = false;
  #patience: Patience | undefined;
  #resolve: (value: T) => void = () => {};
  #reject: (error: QuorateError) => void = () => {};
  readonly #onSettled: () => void;

  constructor(kind: ServerCallKind, doing: string, onSettled: () => void) {
    this.kind = kind;
    this.doing = doing;
    this.#onSettled = onSettled;
    this.promise = new Promise<T>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  get isSettled(): boolean {
    return this.#settled;
  }

  /** Fails it when the caller's patience ends. */
  limit(runtime: Runtime, options: CallOptions, defaultTimeoutMs: number): void {
    const { signal, timeoutMs = defaultTimeoutMs } = options;
    this.#patience = new Patience(runtime, { signal, timeoutMs }, this.doing, (error) => this.fail(error));
  }

  settle(result: ServerResult<T>): void {
    if (!this.#end()) return;
    if (result.ok) this.#resolve(result.value);
    else this.#reject(result.error);
  }

  fail({ code, message, cause }: CallFailure): void {
    if (!this.#end()) return;
    const isUnknown = this.isSent && this.kind === 'write';
    this.#reject(
      new QuorateError(code, message, {
        outcome: isUnknown ? 'unknown' : 'not-applied',
        ...(cause === undefined ? {} : { cause }),
      }),
    );
  }

  #end(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    this.#patience?.end();
    this.#onSettled();
    return true;
  }
}
