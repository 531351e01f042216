/** Faults that took effect, by what they did. */
export class FaultCounts {
  readonly #counts = new Map<string, number>();

  get all(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  add(what: string): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1);
  }

  of(what: string): number {
    return this.#counts.get(what) ?? 0;
  }
}
