/** What is to happen at a time, the earliest first: a binary heap, since retries are in the ten thousands when something is down. */
export class Delays<T> {
  readonly #heap: { readonly untilMs: number; readonly value: T }[] = [];

  get size(): number {
    return this.#heap.length;
  }

  get nextMs(): number | undefined {
    return this.#heap[0]?.untilMs;
  }

  add(untilMs: number, value: T): void {
    const heap = this.#heap;
    let at = heap.push({ untilMs, value }) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (this.#timeAt(above) <= this.#timeAt(at)) return;
      this.#swap(at, above);
      at = above;
    }
  }

  /** Takes out the earliest if its time has come. */
  takeDue(nowMs: number): { readonly untilMs: number; readonly value: T } | undefined {
    const heap = this.#heap;
    const [first] = heap;
    if (first === undefined || first.untilMs > nowMs) return undefined;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return first;
    heap[0] = last;
    let at = 0;
    for (;;) {
      const [left, right] = [2 * at + 1, 2 * at + 2];
      const below = this.#timeAt(right) < this.#timeAt(left) ? right : left;
      if (this.#timeAt(below) >= this.#timeAt(at)) return first;
      this.#swap(at, below);
      at = below;
    }
  }

  #timeAt(index: number): number {
    return this.#heap[index]?.untilMs ?? Number.POSITIVE_INFINITY;
  }

  #swap(one: number, other: number): void {
    const [a, b] = [this.#heap[one], this.#heap[other]];
    if (a === undefined || b === undefined) return;
    this.#heap[one] = b;
    this.#heap[other] = a;
  }
}
