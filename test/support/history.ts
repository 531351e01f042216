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

/** When each key under `prefix` began and ended, by revision. Throws if one began twice. */
export function livesOf(
  history: readonly KeyEvent[],
  prefix: Key,
): ReadonlyMap<Key, { readonly from: number; to: number }> {
  const lives = new Map<Key, { readonly from: number; to: number }>();
  for (const { type, kv } of history) {
    if (!kv.key.startsWith(prefix)) continue;
    const life = lives.get(kv.key);
    if (type === 'delete') {
      if (life) life.to = kv.modRevision;
    } else if (life === undefined) lives.set(kv.key, { from: kv.modRevision, to: Number.POSITIVE_INFINITY });
    else throw new Error(`${kv.key} was put again`);
  }
  return lives;
}
