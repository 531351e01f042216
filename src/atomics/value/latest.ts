import type { Payloads } from '../../payload/index.js';
import type { Fact, FactFollower } from '../../watch/index.js';
import { readableOf } from './reading.js';
import type { ValueView } from './types.js';

/** What a follower of the key tells, conflated, until the signal fires. Throws what the follower fails with. */
export async function* latestOf<T>(
  follower: FactFollower,
  payloads: Payloads<T>,
  end: AbortSignal,
): AsyncGenerator<ValueView<T>, void, void> {
  let news: Fact | undefined;
  let failure: Error | undefined;
  let wake = () => {};
  const stop = follower.listen({
    see: (fact) => {
      news = fact;
      wake();
    },
    fail: (error) => {
      failure = error;
      wake();
    },
  });
  end.addEventListener('abort', () => wake(), { once: true });
  try {
    let told: ValueView<T> | undefined;
    while (!end.aborted) {
      const fact = news;
      news = undefined;
      if (fact === undefined) {
        if (failure !== undefined) throw failure;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      const view = await viewOf(payloads, fact);
      if (isSame(told, view)) continue;
      told = view;
      yield view;
    }
  } finally {
    stop();
  }
}

async function viewOf<T>(payloads: Payloads<T>, fact: Fact): Promise<ValueView<T>> {
  if (fact.status !== 'present') return fact;
  const read = await readableOf(payloads, fact.kv);
  return 'error' in read ? { status: 'unreadable', ...read } : { status: 'present', ...read };
}

/** A key that is absent, and was before, has not changed, though it was read at another revision. */
function isSame<T>(told: ValueView<T> | undefined, view: ValueView<T>): boolean {
  if (told?.status !== view.status) return false;
  return (
    !('revision' in view && 'revision' in told) || view.status === 'absent' || view.revision === told.revision
  );
}
