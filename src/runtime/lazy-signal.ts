/**
 * A signal that is made when somebody asks for it, for what is done thousands of times a second by code that hardly ever looks at
 * its signal: an `AbortController`, its signal and a listener are some 4 KB, which lives as long as what it is for.
 */
export class LazySignal {
  #controller: AbortController | undefined;
  #aborted: { readonly reason: unknown } | undefined;
  /** Called once, when it fires, before those who listen to the signal. */
  onAbort: (() => void) | undefined;

  get aborted(): boolean {
    return this.#aborted !== undefined;
  }

  get reason(): unknown {
    return this.#aborted?.reason;
  }

  /** The same at each call. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted !== undefined) this.#controller.abort(this.#aborted.reason);
    }
    return this.#controller.signal;
  }

  abort(reason: unknown): void {
    if (this.#aborted !== undefined) return;
    this.#aborted = { reason };
    this.onAbort?.();
    this.#controller?.abort(reason);
  }
}
