import { isQuorateError } from '../../src/errors.js';
import type { KeyEvent, Watch, WatchItem } from '../../src/store/index.js';
import { plain } from './answers.js';

/** Reads a watch in the background. */
export class Follower {
  readonly items: WatchItem[] = [];
  readonly events: KeyEvent[] = [];
  #watch: Watch | undefined;
  #refused: string | undefined;
  #ended = false;

  constructor(open: () => Watch) {
    void this.#read(open);
  }

  /** True once the server has confirmed the watch, or refused it. */
  get answered(): boolean {
    return this.items.length > 0 || this.#ended;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** The code with which the watch was refused. */
  get refused(): string | undefined {
    return this.#refused;
  }

  get lastRevision(): number {
    return this.events.at(-1)?.kv.modRevision ?? 0;
  }

  /**
   * What was seen, without how it was cut into items, which is the server's choice; and whether the cuts were between
   * revisions, in ascending order.
   */
  seen(): unknown {
    const first = this.items.find((item) => item.type === 'opened');
    const gap = this.items.find((item) => item.type === 'compacted');
    const cuts = this.items.filter((item) => item.type === 'interrupted').length;
    return plain({ refused: this.#refused, first, events: this.events, gap, whole: this.#whole(), cuts });
  }

  close(): void {
    this.#watch?.close();
  }

  #whole(): boolean {
    let latest = 0;
    for (const item of this.items) {
      if (item.type !== 'events') continue;
      if ((item.events[0]?.kv.modRevision ?? 0) <= latest) return false;
      if (item.events.at(-1)?.kv.modRevision !== item.revision) return false;
      latest = item.revision;
    }
    return true;
  }

  async #read(open: () => Watch): Promise<void> {
    try {
      this.#watch = open();
      for await (const item of this.#watch) {
        this.items.push(item);
        if (item.type === 'events') this.events.push(...item.events);
      }
    } catch (error) {
      this.#refused = isQuorateError(error) ? error.code : String(error);
    }
    this.#ended = true;
  }
}

/** Waits until `condition` holds, for at most ten seconds. Returns whether it came to hold. */
export async function eventually(condition: () => boolean): Promise<boolean> {
  const deadline = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  return true;
}
