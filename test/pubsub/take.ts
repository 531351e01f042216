import type { ChannelItem } from '../../src/pubsub/index.js';

/** Takes so many items of an iterator, and leaves it open. */
export async function take<T>(items: AsyncIterator<T>, count: number): Promise<readonly T[]> {
  const taken: T[] = [];
  while (taken.length < count) {
    const { value, done } = await items.next();
    if (done === true) throw new Error(`ended after ${taken.length} of ${count} items`);
    taken.push(value);
  }
  return taken;
}

/** The payloads of messages; anything else as what it is. */
export function payloadsOf<T>(items: readonly ChannelItem<T>[]): readonly unknown[] {
  return items.map((item) => (item.type === 'message' ? item.payload : item));
}

export function numbers(from: number, to: number): readonly number[] {
  return Array.from({ length: to - from + 1 }, (_none, index) => from + index);
}
