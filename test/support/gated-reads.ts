import type { Store } from '../../src/store/index.js';
import { storeWith } from './store-with.js';

/** A store whose reads, while `hold` stands, are answered at once and delivered only when it is let go. */
export interface GatedReads {
  readonly store: Store;
  /** From now on replies are kept back. */
  hold(): void;
  /** Delivers what was kept back, and all that follows. */
  letGo(): void;
  /** Replies kept back. */
  readonly kept: number;
}

export function gatedReads(store: Store): GatedReads {
  let gate: Promise<void> | undefined;
  let open = () => {};
  let kept = 0;
  return {
    store: storeWith(store, {
      range: async (request, options) => {
        const reply = await store.range(request, options);
        if (gate !== undefined) {
          kept += 1;
          await gate;
          kept -= 1;
        }
        return reply;
      },
    }),
    hold: () => {
      gate ??= new Promise((resolve) => {
        open = resolve;
      });
    },
    letGo: () => {
      gate = undefined;
      open();
    },
    get kept() {
      return kept;
    },
  };
}
