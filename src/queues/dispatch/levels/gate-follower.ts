/** Where the gate goes when nothing else moves it: to where the newest items were, a while later. */
export class GateFollower {
  readonly #delayMs: number;
  #mark: { readonly revision: number; readonly dueMs: number } | undefined;

  /** `delayMs`: how far behind. A producer slower than that must read again. */
  constructor(delayMs: number) {
    this.#delayMs = delayMs;
  }

  get dueMs(): number | undefined {
    return this.#mark?.dueMs;
  }

  itemCreated(revision: number, nowMs: number): void {
    this.#mark ??= { revision, dueMs: nowMs + this.#delayMs };
  }

  /** The revision whose place is due, once. */
  take(nowMs: number): number | undefined {
    const mark = this.#mark;
    if (mark === undefined || mark.dueMs > nowMs) return undefined;
    this.#mark = undefined;
    return mark.revision;
  }

  forget(): void {
    this.#mark = undefined;
  }
}
