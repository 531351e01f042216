/** What there is of a queue, by the keys of the cluster at this moment. */
import type { Engine } from '../../../src/engine/index.js';
import type { Queue } from '../../../src/queues/index.js';
import type { QueueKeys } from '../../../src/queues/keys.js';
import type { Runtime, WaitOptions } from '../../../src/runtime/index.js';
import type { Key, KeyRange } from '../../../src/store/index.js';

const cancelledAtOnce = 3;
/** Of a queue that is being worked on they are in hand, as a rule. */
const firstItems = 6;

/** Of the first range that is not empty. */
export function firstIn(engine: Engine, ranges: readonly Required<KeyRange>[]): Key | undefined {
  for (const range of ranges) {
    const [first] = engine.range({ ...range, limit: 1, keysOnly: true }).kvs;
    if (first !== undefined) return first.key;
  }
  return undefined;
}

/** One of the first of a range, by a number from 0 up to 1. */
export function oneOfTheFirst(
  engine: Engine,
  range: Required<KeyRange>,
  { limit, chance }: { readonly limit: number; readonly chance: number },
): Key | undefined {
  const first = engine.range({ ...range, limit, keysOnly: true }).kvs;
  return first[Math.floor(chance * first.length)]?.key;
}

export interface Cancelling {
  readonly engine: Engine;
  readonly keys: QueueKeys;
  readonly runtime: Runtime;
  readonly options: WaitOptions;
}

/** Cancels a few of the first items of a range, one after another. */
export async function cancelSome(
  queue: Queue<string>,
  range: Required<KeyRange>,
  { engine, keys, runtime, options }: Cancelling,
): Promise<void> {
  for (let count = 0; count < cancelledAtOnce; count += 1) {
    const key = oneOfTheFirst(engine, range, { limit: firstItems, chance: runtime.random() });
    if (key !== undefined) await queue.cancel(keys.nameIn(range, key), options);
  }
}
