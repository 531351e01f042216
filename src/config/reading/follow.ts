import { linkedSignal } from '../../runtime/index.js';

/**
 * What a source tells, for one reader who may be slow: the newest takes the place of what was not read yet. Nothing more is told once
 * `end` has fired, for the reader has left; once `closed` has, for the source is over, what was told before.
 */
export async function* newestOf<T>(
  listen: (tell: (item: T) => void, fail: (error: Error) => void) => () => void,
  { end, closed }: { readonly end: AbortSignal; readonly closed: AbortSignal },
): AsyncGenerator<T, void, void> {
  let news: { readonly item: T } | undefined;
  let failure: Error | undefined;
  let wake = () => {};
  const stop = listen(
    (item) => {
      news = { item };
      wake();
    },
    (error) => {
      failure = error;
      wake();
    },
  );
  const either = linkedSignal(end, closed);
  either.signal.addEventListener('abort', () => wake(), { once: true });
  try {
    while (!end.aborted) {
      const next = news;
      news = undefined;
      if (next !== undefined) yield next.item;
      else if (closed.aborted) return;
      else if (failure !== undefined) throw failure;
      else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  } finally {
    either.unlink();
    stop();
  }
}
