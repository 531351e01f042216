import { QuorateError } from '../errors.js';
import type { Session } from '../session/index.js';
import { type Compare, compare, type Key, type NestedTxnReply } from '../store/index.js';

/** What a place has come to. It only ever moves downwards in this list. */
export type PlaceState =
  /** Older places are still in the line: these keys, each with the revision that created it. */
  | { readonly status: 'waiting'; readonly older: ReadonlyMap<Key, number> }
  /** In the store's state at `revision` the place stood, and none was older. */
  | { readonly status: 'oldest'; readonly revision: number }
  /** The place is no more: left, deleted by somebody, or gone with its session. */
  | { readonly status: 'gone'; readonly error: QuorateError };

export interface PlaceOptions {
  readonly key: Key;
  readonly session: Session;
  /** Revision at which the place was taken, which is its rank in the line. */
  readonly revision: number;
  /** Revision of the state in which `older` was seen. */
  readonly asOf: number;
  /** The older places: their keys, each with the revision that created it. */
  readonly older: ReadonlyMap<Key, number>;
  /** The reply of what was to be done if the line was empty, if that was asked for and it was. */
  readonly aloneReply?: NestedTxnReply | undefined;
}

/**
 * One place in a {@link Line}. The older places only ever become fewer, so once a place has been seen as the
 * oldest it stays that until it is gone. The line moves it; whoever took it reads it.
 *
 * Keys are used again for later places, so a place is known by its key and the revision that created it: what went at
 * or before that revision was an earlier one.
 */
export class Place {
  readonly key: Key;
  readonly session: Session;
  readonly revision: number;
  readonly aloneReply: NestedTxnReply | undefined;
  /** Resolves with the revision that proves the place to be the oldest; rejects with what ended it before. */
  readonly turn: Promise<number>;
  #state: PlaceState;
  #older: Map<Key, number>;
  #asOf: number;
  #lastStruck = 0;
  readonly #onGone = new Set<(error: QuorateError) => void>();
  #resolveTurn: (revision: number) => void = () => {};
  #rejectTurn: (error: QuorateError) => void = () => {};

  constructor(options: PlaceOptions) {
    this.key = options.key;
    this.session = options.session;
    this.revision = options.revision;
    this.aloneReply = options.aloneReply;
    this.#asOf = options.asOf;
    this.#older = new Map(options.older);
    this.#state = { status: 'waiting', older: this.#older };
    this.turn = new Promise((resolve, reject) => {
      this.#resolveTurn = resolve;
      this.#rejectTurn = reject;
    });
    this.turn.catch(() => {});
    if (this.#older.size === 0) this.#become(options.asOf);
    if (options.session.signal.aborted) this.endWithSession();
    else options.session.signal.addEventListener('abort', this.endWithSession, { once: true });
  }

  get state(): PlaceState {
    return this.#state;
  }

  /** Revision of the newest state in which the whole line was seen. */
  get asOf(): number {
    return this.#asOf;
  }

  /** Holds as long as the place stands. What is guarded by it is refused by the store afterwards. */
  guard(): Compare {
    return compare.mod(this.key, 'equal', this.revision);
  }

  /** No older place is left, as far as is known, but nothing that was seen so far proves that this one still stands. */
  get needsLook(): boolean {
    return this.#state.status === 'waiting' && this.#older.size === 0;
  }

  /** Calls `listener` once, when the place is gone; at once if it is. Returns the function that takes it off. */
  onGone(listener: (error: QuorateError) => void): () => void {
    if (this.#state.status === 'gone') {
      listener(this.#state.error);
      return () => {};
    }
    this.#onGone.add(listener);
    return () => {
      this.#onGone.delete(listener);
    };
  }

  /**
   * An older place went, at `revision`. `complete`: nothing was missed between the state this place knows and that
   * event. Otherwise the own place may be gone unnoticed, and only the next look at the line can prove its turn.
   * A join that is told afterwards what went meanwhile hears of it in any order, so the last to go counts.
   */
  strike(key: Key, revision: number, complete: boolean): void {
    if (this.#state.status !== 'waiting' || !((this.#older.get(key) ?? revision) < revision)) return;
    this.#older.delete(key);
    this.#lastStruck = Math.max(this.#lastStruck, revision);
    if (complete && this.#older.size === 0) this.#become(Math.max(this.#lastStruck, this.#asOf));
  }

  /**
   * The whole line was seen at `revision`: these keys, each with the revision that created it. That proves nothing about
   * later revisions: where an older place went after that, unproved, the own one may have gone before it, and it takes
   * another look.
   */
  see(present: ReadonlyMap<Key, number>, revision: number): void {
    if (this.#state.status === 'gone') return;
    if (present.get(this.key) !== this.revision) {
      this.deleted(revision);
      return;
    }
    this.#asOf = Math.max(this.#asOf, revision);
    if (this.#state.status !== 'waiting') return;
    for (const [key, created] of this.#older) if (present.get(key) !== created) this.#older.delete(key);
    if (this.#older.size === 0 && revision >= this.#lastStruck) this.#become(revision);
  }

  /** The place itself was deleted at `revision`, and not by who took it. */
  deleted(revision: number): void {
    if (revision <= this.revision) return;
    this.end(
      new QuorateError('hold-lost', 'the place in the line was deleted by somebody else', {
        details: { revision },
      }),
    );
  }

  end(error: QuorateError): void {
    if (this.#state.status === 'gone') return;
    const waited = this.#state.status === 'waiting';
    this.#state = { status: 'gone', error };
    this.session.signal.removeEventListener('abort', this.endWithSession);
    if (waited) this.#rejectTurn(error);
    for (const listener of [...this.#onGone]) listener(error);
    this.#onGone.clear();
  }

  readonly endWithSession = (): void => {
    const { reason } = this.session.signal;
    this.end(
      new QuorateError('session-lost', 'the place in the line went with its session', { cause: reason }),
    );
  };

  #become(revision: number): void {
    this.#state = { status: 'oldest', revision };
    this.#resolveTurn(revision);
  }
}
