/**
 * Situations that a property must have met at times, or it has proved less than it seems. A name that was not announced
 * is a mistake, and an error: its counter would be watched by nobody.
 */
export class Sometimes {
  readonly #counts: Map<string, number>;

  constructor(situations: readonly string[]) {
    this.#counts = new Map(situations.map((situation) => [situation, 0]));
  }

  get counts(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  add(situation: string, times = 1): void {
    const before = this.#counts.get(situation);
    if (before === undefined) {
      throw new Error(
        `the situation "${situation}" is not one of the property's: ${[...this.#counts.keys()].join(', ') || 'it has none'}`,
      );
    }
    this.#counts.set(situation, before + times);
  }
}
