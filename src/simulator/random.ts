/**
 * Chance that can be repeated. Everything that is random in a simulation is drawn from a fork of one seed; each actor
 * has a fork of its own, so that a change of one actor's fate does not change what others draw.
 */
export class SeededRandom {
  readonly #seed: number;
  readonly #path: string;
  #state: number;

  constructor(seed: number, path = '') {
    this.#seed = seed;
    this.#path = path;
    this.#state = (Math.imul(seed | 0, 0x9e3779b1) ^ hashOf(path)) >>> 0;
  }

  /** Uniform in [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** Uniform in [min, max). */
  between(min: number, max: number): number {
    return min + this.next() * (max - min);
  }

  /** A whole number, uniform from 0 to `below - 1`. */
  integer(below: number): number {
    return Math.floor(this.next() * below);
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** One of the list, which must not be empty. */
  pick<T>(list: readonly T[]): T {
    const picked = list[this.integer(list.length)];
    if (picked === undefined) throw new RangeError('nothing to pick from an empty list');
    return picked;
  }

  /** The list in a random order. */
  shuffled<T>(list: readonly T[]): T[] {
    const left = [...list];
    return list.map(() => left.splice(this.integer(left.length), 1)[0] as T);
  }

  /** Chance of its own, the same for the same seed and label whatever was drawn here before. */
  fork(label: string): SeededRandom {
    return new SeededRandom(this.#seed, `${this.#path}/${label}`);
  }
}

/** FNV-1a. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}
