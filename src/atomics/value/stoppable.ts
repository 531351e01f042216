import { linkedSignal } from '../../runtime/index.js';

/**
 * A generator as an iterator that its reader can leave at any time. By itself a generator returns only after the item that
 * its reader waits for, which may never come; so it is made with a signal, which fires first, or when `signal` does.
 */
export function stoppable<T>(
  signal: AbortSignal | undefined,
  itemsUntil: (end: AbortSignal) => AsyncGenerator<T, void, void>,
): AsyncIterableIterator<T> {
  const stopped = new AbortController();
  const end = linkedSignal(signal, stopped.signal);
  const items = itemsUntil(end.signal);
  const next = async (): Promise<IteratorResult<T, void>> => {
    try {
      const result = await items.next();
      if (result.done) end.unlink();
      return result;
    } catch (error) {
      end.unlink();
      throw error;
    }
  };
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next,
    return: () => {
      stopped.abort();
      end.unlink();
      return items.return(undefined);
    },
  };
}
