import { setTimeout as delay } from 'node:timers/promises';
import type { Key, KeyEvent, Store, Watch } from '../../src/store/index.js';

/** Every event of a store, recorded while it happens, so that compaction cannot take it away. */
export class RecordedHistory {
  readonly events: KeyEvent[] = [];
  readonly #watch: Watch;
  #revision = 0;

  constructor(store: Store) {
    this.#watch = store.watch({ key: '\0', rangeEnd: '\0', fromRevision: 1 });
    void this.#record();
  }

  /** Waits until everything up to `revision` that was an event is recorded, and ends the recording. */
  async endAt(revision: number): Promise<readonly KeyEvent[]> {
    for (let look = 0; look < 1_000 && this.#revision < revision; look += 1) await delay(5);
    this.#watch.close();
    if (this.#revision < revision) throw new Error(`recorded up to ${this.#revision} of ${revision}`);
    return this.events;
  }

  async #record(): Promise<void> {
    for await (const item of this.#watch) {
      if (item.type !== 'events') continue;
      this.events.push(...item.events);
      this.#revision = item.revision;
    }
  }
}

export interface Life {
  readonly key: Key;
  /** Revision of its creation. */
  readonly from: number;
  /** Revision of its end; infinity if it still stands. */
  readonly to: number;
}

/** The lives of the keys under `prefix`. Throws if one was put twice in one life. */
export function livesOf(history: readonly KeyEvent[], prefix: Key): readonly Life[] {
  const ended: Life[] = [];
  const standing = new Map<Key, number>();
  for (const { type, kv } of history) {
    const { key, modRevision } = kv;
    if (!key.startsWith(prefix)) continue;
    const from = standing.get(key);
    if (type === 'put') {
      if (from !== undefined) throw new Error(`${key} was put again`);
      standing.set(key, modRevision);
    } else if (from !== undefined) {
      standing.delete(key);
      ended.push({ key, from, to: modRevision });
    }
  }
  const alive = [...standing].map(([key, from]) => ({ key, from, to: Number.POSITIVE_INFINITY }));
  return [...ended, ...alive];
}
