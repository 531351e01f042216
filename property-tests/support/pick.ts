import fc from 'fast-check';

/**
 * One of the items, each as likely as the next. Shrinks to the first that will do, and tries all before it: that one
 * kind of fault will not do says nothing of the milder ones.
 */
export function pickFrom<T>(items: readonly T[]): fc.Arbitrary<T> {
  return new Pick(items);
}

/** The context of an item before which all have been tried. */
const isFirst = Symbol('all before it were tried');

class Pick<T> extends fc.Arbitrary<T> {
  readonly #items: readonly T[];

  constructor(items: readonly T[]) {
    super();
    this.#items = items;
  }

  override generate(random: fc.Random): fc.Value<T> {
    return new fc.Value(this.#items[random.nextInt(0, this.#items.length - 1)] as T, undefined);
  }

  override canShrinkWithoutContext(value: unknown): value is T {
    return this.#items.includes(value as T);
  }

  override shrink(value: T, context: unknown): fc.Stream<fc.Value<T>> {
    if (context === isFirst) return fc.Stream.nil();
    const before = new Set(this.#items.slice(0, this.#items.indexOf(value)));
    return fc.stream([...before].map((item) => new fc.Value(item, isFirst))[Symbol.iterator]());
  }
}
