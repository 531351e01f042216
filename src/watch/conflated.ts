import type { QuorateError } from '../errors.js';
import type { Fact, FactFollower } from './fact-follower.js';

export interface ConflatedOptions<T> {
  readonly follower: Pick<FactFollower, 'listen'>;
  /** What the reader is told of it; undefined: nothing, and what he was to be told still stands. Must not throw. */
  readonly viewOf: (fact: Fact) => T | undefined;
  /** Whether the one says nothing new to a reader who was told the other. */
  readonly isSame: (told: T, view: T) => boolean;
  readonly end: AbortSignal;
}

/**
 * What a key is and becomes, for one reader, who may be slow: told is the newest, which takes the place of what he has not read
 * yet. So he may miss some in between, is never told an older one after a newer, and in the end the last. Ends when the signal
 * fires; throws what the follower fails with, after the last that was known.
 */
export async function* conflated<T>({
  follower,
  viewOf,
  isSame,
  end,
}: ConflatedOptions<T>): AsyncGenerator<T, void, void> {
  let news: T | undefined;
  let failure: QuorateError | undefined;
  let wake = () => {};
  const stop = follower.listen({
    see: (fact) => {
      news = viewOf(fact) ?? news;
      wake();
    },
    fail: (error) => {
      failure = error;
      wake();
    },
  });
  end.addEventListener('abort', () => wake(), { once: true });
  try {
    let told: T | undefined;
    while (!end.aborted) {
      const view = news;
      news = undefined;
      if (view === undefined) {
        if (failure !== undefined) throw failure;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      if (told !== undefined && isSame(told, view)) continue;
      told = view;
      yield view;
    }
  } finally {
    stop();
  }
}
