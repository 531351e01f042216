import type { KeyEvent, Store, Watch, WatchItem, WatchRequest } from '../../src/store/index.js';
import { settle } from '../support/manual-runtime.js';

/** One watch that a test feeds by hand. */
export class ScriptedWatch implements Watch {
  readonly request: WatchRequest;
  closed = false;
  readonly #items: (WatchItem | 'end' | { readonly error: unknown })[] = [];
  #wake: () => void = () => {};

  constructor(request: WatchRequest) {
    this.request = request;
  }

  async push(...items: (WatchItem | 'end' | { readonly error: unknown })[]): Promise<void> {
    this.#items.push(...items);
    this.#wake();
    await settle();
  }

  close(): void {
    this.closed = true;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<WatchItem> {
    while (!this.closed) {
      const item = this.#items.shift();
      if (item === undefined) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      } else if (item === 'end') return;
      else if ('error' in item && !('type' in item)) throw item.error;
      else yield item;
    }
  }
}

/** A store of which only `watch` can be used. */
export function scriptedStore(): { store: Store; watches: ScriptedWatch[]; refuseWith: { error?: unknown } } {
  const watches: ScriptedWatch[] = [];
  const refuseWith: { error?: unknown } = {};
  const store = {
    watch: (request: WatchRequest) => {
      if (refuseWith.error !== undefined) throw refuseWith.error;
      const watch = new ScriptedWatch(request);
      watches.push(watch);
      return watch;
    },
  } as unknown as Store;
  return { store, watches, refuseWith };
}

export function putAt(revision: number, key = 'k'): KeyEvent {
  return {
    type: 'put',
    kv: {
      ...{ key, value: new Uint8Array(), createRevision: revision, modRevision: revision },
      ...{ version: 1, lease: '0' },
    },
  };
}

export function eventsAt(...revisions: number[]): WatchItem {
  return {
    type: 'events',
    revision: revisions.at(-1) ?? 0,
    events: revisions.map((revision) => putAt(revision)),
  };
}
