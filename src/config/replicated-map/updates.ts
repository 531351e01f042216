import type { PrefixMirror } from '../../mirror/index.js';
import { Backoff, isThenable, type Runtime, type TimeLeft, waitUnlessEnded } from '../../runtime/index.js';
import { Draft } from './draft.js';
import type { Kept } from './kept.js';
import type { MapKeys } from './map-keys.js';
import type { Table } from './table.js';
import type { MapDraft, UpdatedMap } from './types.js';
import type { Writes, WriteTerms } from './writes.js';

export interface UpdatesParts<K extends string, V> {
  readonly runtime: Runtime;
  readonly keys: MapKeys;
  readonly table: Table<K, V>;
  readonly mirror: PrefixMirror<Kept<K, V>>;
  readonly writes: Writes<K, V>;
}

export interface Update<K extends string, V, T> extends WriteTerms {
  readonly change: (draft: MapDraft<K, V>) => T | Promise<T>;
  readonly doing: string;
}

const refusedDelay = { firstMs: 5, longestMs: 200 };

/** The updates that one object makes of its map: one after the other, so that they never refuse each other. */
export class Updates<K extends string, V> {
  readonly #parts: UpdatesParts<K, V>;
  /** Resolves when those begun so far are over. */
  #over: Promise<void> = Promise.resolve();

  constructor(parts: UpdatesParts<K, V>) {
    this.#parts = parts;
  }

  async run<T>(update: Update<K, V, T>): Promise<UpdatedMap<T>> {
    const before = this.#over;
    let end = () => {};
    const own = new Promise<void>((resolve) => {
      end = resolve;
    });
    // One that gives up before its turn ends nobody else's.
    this.#over = before.then(() => own);
    try {
      await this.#waitFor(before, update);
      return await this.#untilWritten(update);
    } finally {
      end();
    }
  }

  async #untilWritten<T>(update: Update<K, V, T>): Promise<UpdatedMap<T>> {
    const { runtime, keys, table, mirror, writes } = this.#parts;
    const { left } = update;
    const backoff = new Backoff(runtime, refusedDelay);
    /** What is in memory was so since the call began. */
    let isFresh = false;
    for (;;) {
      const draft = new Draft(keys, table);
      const ran = await this.#tryToRun(draft, update);
      const isToBeWritten = 'result' in ran && draft.writes.size > 0;
      if (!isToBeWritten && !(isFresh && draft.holds)) {
        // It may have been decided by something that was no more when the call began, or was never so at one time.
        await mirror.sync(left.all());
        isFresh = true;
        continue;
      }
      if ('failure' in ran) throw ran.failure;
      const { result } = ran;
      if (!isToBeWritten) return { result, revision: mirror.revision, shown: true };
      const written = await writes.commit(draft, update);
      if (written !== undefined) return { result, ...written };
      isFresh = true;
      await left.pause(backoff.nextMs());
    }
  }

  /** What others do, the function of the caller among them, may never end: nobody waits for it once the map is closed. */
  #waitFor<R>(others: Promise<R>, { left, doing }: { left: TimeLeft; doing: string }): Promise<R> {
    const { runtime, mirror } = this.#parts;
    return waitUnlessEnded(runtime, others, { ...left.all(), ended: mirror.ended }, doing);
  }

  /** What the function returns of the draft, or what it failed with. Rejects if the call's own time is over. */
  async #tryToRun<T>(
    draft: Draft<K, V>,
    update: Update<K, V, T>,
  ): Promise<{ readonly result: T } | { readonly failure: unknown }> {
    const running = (async () => {
      const returned = update.change(draft);
      // What it has left behind is not waited for, and comes too late.
      if (!isThenable(returned)) draft.end();
      return { result: await returned };
    })();
    const ran = running.catch((failure: unknown) => ({ failure }));
    try {
      return await this.#waitFor(ran, update);
    } finally {
      draft.end();
    }
  }
}
