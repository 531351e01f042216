const first = 16;
/** One whose values are all as large as the store has them is memory enough for the next to be smaller. */
const most = 1_000;
const growth = { quick: 4, slow: 1.25 };
/** A page aims at so many bytes; on a slow connection at as many as come in so many ms, but not fewer than the least. */
const pageBytes = { least: 65_536, most: 1_048_576 };
const pageMs = 1_000;
/** One of more than so many times the most had values that nothing before had shown to be so large. */
const surprise = 2;

/**
 * How many keys to ask for at a time. How large the values are that come next nobody can say before they are there. So it begins
 * small, grows with what has come, by little at a time and not without end, and shrinks at once by what was too large or did not
 * come in time; after that it grows slowly, since what was too much then may come next. So of large values that come in several
 * runs only the first may be as many as there were small ones in a page. What it has found fitting is kept for the next time that
 * the prefix is read.
 */
export class PageLimit {
  #keys = first;
  /** Beyond it grows slowly. */
  #proved = most;

  get keys(): number {
    return this.#keys;
  }

  /** A page of so many keys had so many bytes, and took so long to come. */
  learn(keys: number, bytes: number, tookMs: number): void {
    if (keys === 0) return;
    const coming = tookMs > 0 ? (bytes * pageMs) / tookMs : pageBytes.most;
    const aim = Math.max(pageBytes.least, Math.min(coming, pageBytes.most));
    const fitting = Math.floor((aim * keys) / Math.max(bytes, 1));
    this.#keys = Math.max(1, Math.min(fitting, this.#grown(), most));
    if (bytes > surprise * pageBytes.most) this.#proved = this.#keys;
  }

  /** A page did not come in time: the next attempt is at a smaller one, so that in the end one comes. */
  shrink(): void {
    this.#keys = Math.max(1, Math.floor(this.#keys / growth.quick));
    this.#proved = this.#keys;
  }

  #grown(): number {
    if (this.#keys < this.#proved) return Math.min(this.#keys * growth.quick, this.#proved);
    return Math.ceil(this.#keys * growth.slow);
  }
}
