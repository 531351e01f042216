import type { Runtime } from '../runtime/index.js';
import type { Store, TxnReply, TxnRequest } from '../store/index.js';
import { AttemptPatience } from './attempt-patience.js';
import type { Stopper } from './stopper.js';

/** A reply, or the error of an attempt without one. */
export interface Attempt {
  readonly reply: TxnReply | undefined;
  readonly error: unknown;
}

export interface AttemptSenderParts {
  readonly store: Store;
  readonly runtime: Runtime;
  readonly attemptTimeoutMs: number;
}

/** Makes attempts, one after the other, and waits for each as long as the last replies took. */
export class AttemptSender {
  readonly #parts: AttemptSenderParts;
  readonly #stopper: Stopper;
  readonly #patience: AttemptPatience;

  constructor(parts: AttemptSenderParts, stopper: Stopper) {
    this.#parts = parts;
    this.#stopper = stopper;
    this.#patience = new AttemptPatience(parts.attemptTimeoutMs);
  }

  /** One attempt at a request of about so many bytes. */
  async send(request: TxnRequest, bytes: number): Promise<Attempt> {
    const { store, runtime } = this.#parts;
    const startMs = runtime.monotonicMs();
    const timeoutMs = this.#patience.msFor(bytes);
    try {
      const reply = await store.txn(request, { timeoutMs, signal: this.#stopper.signal });
      this.#patience.replied(runtime.monotonicMs() - startMs, bytes);
      return { reply, error: undefined };
    } catch (error) {
      this.#patience.failed(error);
      return { reply: undefined, error };
    }
  }
}
