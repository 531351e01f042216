/** What a source tells, for one reader who may be slow: the newest takes the place of what was not read yet. */
export async function* newestOf<T>(
  listen: (tell: (item: T) => void, fail: (error: Error) => void) => () => void,
  end: AbortSignal,
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
  end.addEventListener('abort', () => wake(), { once: true });
  try {
    while (!end.aborted) {
      const next = news;
      news = undefined;
      if (next !== undefined) yield next.item;
      else if (failure !== undefined) throw failure;
      else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  } finally {
    stop();
  }
}
