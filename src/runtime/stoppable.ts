import { linkedSignal } from './linked-signal.js';

/**
 * A generator as an iterator that its reader can leave at any time. By itself a generator returns only after the item that
 * its reader waits for, which may never come; so it is made with a signal, which fires first, or when `signal` does. Nothing
 * begins before the first item is asked for, nor at all if the signal has fired by then.
 */
export function stoppable<T>(
  signal: AbortSignal | undefined,
  itemsUntil: (end: AbortSignal) => AsyncGenerator<T, void, void>,
): AsyncIterableIterator<T> {
  const stopped = new AbortController();
  const items = itemsOf([signal, stopped.signal], itemsUntil);
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next: () => items.next(),
    return: () => {
      stopped.abort();
      return items.return(undefined);
    },
  };
}

async function* itemsOf<T>(
  sources: readonly (AbortSignal | undefined)[],
  itemsUntil: (end: AbortSignal) => AsyncGenerator<T, void, void>,
): AsyncGenerator<T, void, void> {
  const end = linkedSignal(...sources);
  try {
    if (!end.signal.aborted) yield* itemsUntil(end.signal);
  } finally {
    end.unlink();
  }
}
