/** A moment that somebody waits for, in another process, to act just then. */
export class Occasion {
  readonly #waiting: (() => void)[] = [];

  /** Resolves as it comes next. */
  next(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** It has come. True if somebody has waited for it, who may be given a start. */
  come(): boolean {
    const waiting = this.#waiting.splice(0);
    for (const resolve of waiting) resolve();
    return waiting.length > 0;
  }
}
