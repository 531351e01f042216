/**
 * Every change of one key, in order, or a gap that says what is missing.
 *
 * A watch of its own, from the revision after the last one told, which the store goes on with by itself after a cut: nothing
 * is missed and nothing told twice, so a cut is not told. Where history was compacted before it was delivered, up to C, the
 * gap says so; then comes the state as of C, read from what compaction has left, and every change after C. Where that read finds C
 * compacted too, what it missed is a gap again.
 */
import { invalidArgument, isPermanent, isQuorateError, shown } from '../../errors.js';
import { Backoff, sleep } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import type { Key, KeyEvent, KeyValue, Watch, WatchItem } from '../../store/index.js';

/** What happened to a key, undecoded. */
export type KeyChange =
  | { readonly type: 'state'; readonly revision: number; readonly kv: KeyValue | undefined }
  | { readonly type: 'event'; readonly event: KeyEvent }
  | { readonly type: 'gap'; readonly fromRevision: number; readonly toRevision: number };

export function checkAfter(after: unknown): void {
  if (after === undefined || (Number.isSafeInteger(after) && (after as number) >= 0)) return;
  throw invalidArgument(`after is ${shown(after)}`, 'a revision from 0, or none');
}

/** Ends when the signal fires; throws what the watch, or a read, can never recover from. */
export async function* changesOf(
  client: Client,
  key: Key,
  after: number | undefined,
  signal: AbortSignal,
): AsyncGenerator<KeyChange, void, void> {
  let told = after;
  /** To be told before the next change: how it was as of this revision, 0 for now. */
  let stateOf: number | undefined = after === undefined ? 0 : undefined;
  while (!signal.aborted) {
    if (stateOf !== undefined) {
      const read = await readAt(client, key, stateOf, signal);
      if (read === undefined) return;
      // Compacted since: the watch says up to where.
      if (read.revision > 0) {
        yield { type: 'state', revision: read.revision, kv: read.kv };
        told = read.revision;
      }
      stateOf = undefined;
    }
    const fromRevision: number = (told ?? 0) + 1;
    for await (const item of itemsUntil(client.store.watch({ key, fromRevision }), signal)) {
      if (item.type === 'events') {
        for (const event of item.events) {
          told = event.kv.modRevision;
          yield { type: 'event', event };
        }
      }
      if (item.type !== 'compacted') continue;
      const toRevision = item.compactRevision;
      yield { type: 'gap', fromRevision: (told ?? 0) + 1, toRevision };
      told = toRevision;
      stateOf = toRevision;
    }
  }
}

/** Tried until it is answered. Undefined once the signal has fired; revision 0 if that revision was compacted. */
async function readAt(
  client: Client,
  key: Key,
  revision: number,
  signal: AbortSignal,
): Promise<{ readonly revision: number; readonly kv: KeyValue | undefined } | undefined> {
  const backoff = new Backoff(client.runtime, { firstMs: 20, longestMs: 1_000 });
  while (!signal.aborted) {
    try {
      const reply = await client.store.range({ key, revision }, { signal });
      return { revision: revision === 0 ? reply.revision : revision, kv: reply.kvs[0] };
    } catch (error) {
      if (isQuorateError(error, 'compacted')) return { revision: 0, kv: undefined };
      if (isPermanent(error)) throw error;
      await sleep(client.runtime, backoff.nextMs(), { signal }).catch(() => {});
    }
  }
  return undefined;
}

/** The items of a watch that is closed when the signal fires. */
async function* itemsUntil(watch: Watch, signal: AbortSignal): AsyncGenerator<WatchItem, void, void> {
  const close = () => watch.close();
  signal.addEventListener('abort', close, { once: true });
  try {
    if (!signal.aborted) yield* watch;
  } finally {
    signal.removeEventListener('abort', close);
    close();
  }
}
