import fc from 'fast-check';

/**
 * A whole number, every order of magnitude as likely as the next: of a duration it matters whether it is milliseconds,
 * seconds or a TTL. Shrinks towards the least.
 */
export function logInteger(range: { readonly min: number; readonly max: number }): fc.Arbitrary<number> {
  return new LogInteger(range.min, range.max);
}

class LogInteger extends fc.Arbitrary<number> {
  readonly #uniform: fc.Arbitrary<number>;
  readonly #min: number;
  readonly #ratio: number;

  constructor(min: number, max: number) {
    super();
    this.#uniform = fc.integer({ min, max });
    this.#min = min;
    this.#ratio = (max + 1) / min;
  }

  override generate(random: fc.Random): fc.Value<number> {
    const exponent = random.nextInt(0, 2 ** 24 - 1) / 2 ** 24;
    return new fc.Value(Math.floor(this.#min * this.#ratio ** exponent), undefined);
  }

  override canShrinkWithoutContext(value: unknown): value is number {
    return this.#uniform.canShrinkWithoutContext(value);
  }

  override shrink(value: number, context: unknown): fc.Stream<fc.Value<number>> {
    return this.#uniform.shrink(value, context);
  }
}
