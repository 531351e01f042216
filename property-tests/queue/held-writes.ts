import { type ItemId, levelOf } from '../../src/queues/keys.js';
import { type Runtime, sleep } from '../../src/runtime/index.js';

/** A write that a process has made and not sent. */
interface HeldWrite {
  readonly first: ItemId;
  readonly send: () => void;
}

const longestHoldMs = 1_500;
/** What was let go has arrived by then, as a rule. */
const headStartMs = 60;

/** Writes of items that arrive in the worst of all moments: after a window was read, and just before the gate passes it. */
export class HeldWrites {
  readonly #writes = new Set<HeldWrite>();

  /** Holds a write up until the gate is about to pass its first item, or for a while. */
  async hold(first: ItemId, runtime: Runtime): Promise<void> {
    const overtaken = new Promise<void>((resolve) => {
      const held = { first, send: resolve };
      this.#writes.add(held);
      void sleep(runtime, longestHoldMs).then(() => {
        this.#writes.delete(held);
        resolve();
      });
    });
    await overtaken;
  }

  /** Lets the writes go that a move of the gate would pass, and gives them a start. */
  async letGo(gate: ItemId, runtime: Runtime): Promise<void> {
    const passed = [...this.#writes].filter(({ first }) => levelOf(first) === levelOf(gate) && first <= gate);
    for (const held of passed) {
      this.#writes.delete(held);
      held.send();
    }
    if (passed.length > 0) await sleep(runtime, headStartMs);
  }
}
