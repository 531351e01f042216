/**
 * Closes a queue for new items and waits until it is empty.
 *
 * It is closed as `queue.controls.close()` does it, which refuses an object of another kind before anything is changed. Every group of items compares mod(h/ctl), so nothing enters after the
 * revision that closed it. From then on items only go, and the last one is the one to wait for: items are given out in order,
 * so when it is gone all others are, but for those that took longer or came back. So: look for the last item; watch
 * its key until it is deleted; look again; until there is none.
 *
 * - *Watch cut, history compacted*: after every opening of the watch the key is read; what happened in between shows there.
 * - *Reply lost while closing*: the exactly-once store finds out. *This process dies*: the queue stays closed.
 * - *Somebody opens the queue again*: each look reads the control at the same revision, and finds it open: the drain fails.
 */
import { isPassing, isPassingRead, QuorateError } from '../../errors.js';
import { Backoff, checkWaitOptions, TimeLeft, type WaitOptions, waitFor } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import { type Key, type RangeOp, type Store, txnOf } from '../../store/index.js';
import type { Subscription } from '../../watch/index.js';
import { QueueControls } from '../control/queue-controls.js';
import type { QueueKeys } from '../keys.js';
import { firstOf } from '../reading/first-of.js';
import { readStarts } from '../reading/starts.js';
import { decodeControl } from '../records/index.js';

const retryDelay = { firstMs: 20, longestMs: 1_000 };

export async function drain(
  client: Client,
  keys: QueueKeys,
  queueName: string,
  options: WaitOptions,
): Promise<void> {
  const doing = `draining queue "${queueName}"`;
  checkWaitOptions(options, doing);
  const { runtime, store } = client;
  const left = new TimeLeft(runtime, options, doing);
  const backoff = new Backoff(runtime, retryDelay);
  let isClosed = false;
  for (;;) {
    try {
      if (!isClosed) await new QueueControls(client, keys).close(left.forRead());
      isClosed = true;
      const last = await lastItem(store, keys, left);
      if (last === undefined) return;
      await watchUntilGone(client, last, left, doing);
      backoff.reset();
    } catch (error) {
      // To close what is closed, or to look again, does no harm.
      if (left.isOver || (!isPassingRead(error) && !isPassing(error))) throw error;
      await left.pause(backoff.nextMs());
    }
  }
}

async function lastItem(store: Store, keys: QueueKeys, left: TimeLeft): Promise<Key | undefined> {
  // Delayed ones first: what fires after that, below what is read as the start, is among them.
  const delayed = await lastDelayed(store, keys, left);
  const { levels } = await readStarts(store, keys, left.forRead());
  const lasts = levels.map(
    ({ start }): RangeOp => ({
      ...{ type: 'range', ...keys.itemsBetween(start, undefined), keysOnly: true, limit: 1 },
      sort: { target: 'key', order: 'descend' },
    }),
  );
  const { replies } = await store.txn(
    txnOf({ success: [{ type: 'range', key: keys.control }, ...lasts] }),
    left.forRead(),
  );
  const [control, ...ofLevels] = replies.map(firstOf);
  const last = ofLevels.findLast((kv) => kv !== undefined);
  if (control === undefined || !decodeControl(control.value).closed) {
    throw new QuorateError('aborted', 'the queue was opened for items again while it was drained');
  }
  return delayed ?? last?.key;
}

async function lastDelayed(store: Store, keys: QueueKeys, left: TimeLeft): Promise<Key | undefined> {
  if (keys.kind !== 'delay') return undefined;
  const sort = { target: 'key', order: 'descend' } as const;
  const { kvs } = await store.range({ ...keys.delayed, keysOnly: true, limit: 1, sort }, left.forRead());
  return kvs[0]?.key;
}

/** Resolves when the key is gone; the watch tells, and after each opening a look. */
async function watchUntilGone(client: Client, key: Key, left: TimeLeft, doing: string): Promise<void> {
  const { hub, runtime, store } = client;
  let subscription: Subscription | undefined;
  const gone = new Promise<void>((resolve, reject) => {
    const look = async () => {
      if ((await store.range({ key, countOnly: true }, left.forRead())).count === 0) resolve();
    };
    subscription = hub.subscribe({ key, without: ['put'] }, (item) => {
      if (item.type === 'events') resolve();
      else if (item.type === 'failed') reject(item.error);
      else if (item.type === 'opened') look().catch(reject);
    });
  });
  // The time may be over before anybody waits for it.
  gone.catch(() => {});
  try {
    await waitFor(runtime, gone, left.all(), doing);
  } finally {
    subscription?.close({ lingerMs: 0 });
  }
}
