import { QuorateError } from '../errors.js';
import { Backoff, sleep } from '../runtime/index.js';
import type { Client } from '../session/index.js';
import type { KeyRange, RangeResult } from '../store/index.js';

/** Reads the keys of a line at one revision, again and again until it answers or `signal` fires. */
export async function readLine(
  client: Client,
  range: KeyRange,
  { signal, values = false }: { readonly signal: AbortSignal; readonly values?: boolean },
): Promise<RangeResult> {
  const backoff = new Backoff(client.runtime, { firstMs: 20, longestMs: 1_000 });
  for (;;) {
    if (signal.aborted) {
      throw new QuorateError('aborted', 'stopped while reading the line', { cause: signal.reason });
    }
    try {
      return await client.store.range({ ...range, keysOnly: !values }, { signal });
    } catch {
      await sleep(client.runtime, backoff.nextMs(), { signal }).catch(() => {});
    }
  }
}
