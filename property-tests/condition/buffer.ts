/** The buffer that producers and consumers share: how many items are in it, and whether it is closed. */
import type { Hold } from '../../src/locks/index.js';
import type { WaitOptions } from '../../src/runtime/index.js';
import type { Simulation } from '../../src/simulator/index.js';
import { get, type KeyValue, put, textOf } from '../../src/store/index.js';

export interface BufferState {
  readonly items: number;
  readonly isClosed: boolean;
}

/** Whether a caller can go on: the predicate of its wait. */
export type Readiness = (state: BufferState) => boolean;

export const keys = { items: 'items', closed: 'closed', resource: 'resource' } as const;

/** As the cluster has it at this moment. */
export function stateIn(engine: Simulation['engine']): BufferState {
  const [items, closed] = [keys.items, keys.closed].map((key) => engine.range({ key }).kvs[0]);
  return stateOf(items, closed);
}

function stateOf(items: KeyValue | undefined, closed: KeyValue | undefined): BufferState {
  return { items: items === undefined ? 0 : Number(textOf(items.value)), isClosed: closed !== undefined };
}

/** As it is under the lock. */
export async function read(hold: Hold): Promise<BufferState> {
  const { replies } = await hold.txn({ success: [get(keys.items), get(keys.closed)] });
  const [items, closed] = replies.map((reply) => (reply.type === 'range' ? reply.kvs[0] : undefined));
  return stateOf(items, closed);
}

export async function write(hold: Hold, items: number, options: WaitOptions = {}): Promise<void> {
  const success = [put(keys.items, String(items)), put(keys.resource, String(hold.token))];
  await hold.txn({ success }, options);
}

export async function close(hold: Hold): Promise<void> {
  await hold.txn({ success: [put(keys.closed, 'yes')] });
}
