import { QuorateError } from '../../errors.js';
import { inRange, type Key, type KeyEvent, type KeyRange } from '../../store/index.js';
import type { Standing, Vigil } from '../vigil.js';
import { type DoubleKeys, entranceOf } from './round.js';
import type { Seen } from './seen.js';

/** Somebody of this process that waits: to enter, by the key of the member, or for the others to leave, by that of the leaver. */
export interface Waiter {
  readonly as: 'member' | 'leaver';
  readonly key: Key;
  readonly created: number;
}

/** Those of this process that wait at one double barrier, and the vigil that they keep. */
export class Waiters {
  readonly #vigil: Vigil;
  readonly #waiting = new Map<Waiter, AbortController>();
  #newest: Seen | undefined;

  constructor(vigil: Vigil) {
    this.#vigil = vigil;
  }

  /** `seen`: what the reply to its request showed. The signal fires with the error if it waits in vain. */
  add(waiter: Waiter, seen: Seen | undefined): AbortSignal {
    const failed = new AbortController();
    this.#waiting.set(waiter, failed);
    this.#vigil.start();
    // Replies overtake each other, and what another of this process was told may show where this one stands.
    if (seen !== undefined && seen.revision >= (this.#newest?.revision ?? 0)) this.#newest = seen;
    const standing = this.#newest && this.#standingIn(this.#newest);
    if (standing !== undefined) this.#vigil.stands(standing);
    return failed.signal;
  }

  remove(waiter: Waiter): void {
    if (this.#waiting.delete(waiter) && this.#waiting.size === 0) this.#vigil.stop();
  }

  /**
   * Whether something may be due that nobody does who did this: somebody has died, whose key went without his leaving; or, for who
   * waits to enter, somebody waits to leave no more, who may have been the last of a round that is broken.
   */
  isNews(keys: DoubleKeys, events: readonly KeyEvent[]): boolean {
    const went = (range: KeyRange) =>
      events.some(({ type, kv }) => type === 'delete' && inRange(range, kv.key));
    const hasLeft = events.some(({ type, kv }) => type === 'put' && kv.key === keys.left);
    const isEntering = [...this.#waiting.keys()].some(({ as }) => as === 'member');
    return (went(keys.members) && !hasLeft) || (isEntering && went(keys.leavers));
  }

  fail(error: unknown): void {
    for (const failed of [...this.#waiting.values()]) failed.abort(error);
  }

  /** Somebody has looked at all of it. */
  seenBy(seen: Seen): Standing | undefined {
    const { now, revision, members } = seen;
    if (revision >= (this.#newest?.revision ?? 0)) this.#newest = seen;
    for (const [{ as, key, created }, failed] of [...this.#waiting]) {
      if (as === 'leaver' || revision < created || now === undefined) continue;
      const isThere = members.some((kv) => kv.key === key && kv.createRevision === created);
      if (isThere || entranceOf(now, created).status !== 'waiting') continue;
      failed.abort(new QuorateError('hold-lost', 'somebody deleted the key of who waited to enter'));
    }
    return this.#standingIn(seen);
  }

  /** Where the first of them stands, as far as it can be seen. */
  #standingIn({ now, revision, members, leavers }: Seen): Standing | undefined {
    const entering = members.filter(({ createRevision }) => createRevision > (now?.upTo ?? 0));
    let best: Standing | undefined;
    for (const { as, key } of this.#waiting.keys()) {
      const line = as === 'leaver' ? leavers : entering;
      const rank = line.findIndex((kv) => kv.key === key);
      if (rank < 0 || rank >= (best?.rank ?? Number.POSITIVE_INFINITY)) continue;
      best = { rank, monitor: line[0]?.key, revision };
    }
    return best;
  }
}
