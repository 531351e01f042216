/** The dispatcher's transactions about timers, told in timer-plan.ts, and the reads that go before them. */

import type { Store } from '../../store/index.js';
import {
  compare,
  get,
  nested,
  type Op,
  type OpReply,
  put,
  remove,
  type TxnOp,
  txnOf,
} from '../../store/index.js';
import { storedItem } from '../dispatch/reads.js';
import type { QueueKeys } from '../keys.js';
import { firstOf } from '../reading/first-of.js';
import type { Firing, Stamp, Timer, TimerAnswer, TimerOutcome, TimerRead, TimerWrite } from './messages.js';
import { dueOf, itemOfTimer, timerPlace } from './timer-place.js';

/** One operation of the dispatcher's write. */
export function timerOp(keys: QueueKeys, { stamps, firings, drops }: TimerWrite): TxnOp {
  return nested({
    success: [
      nested({ success: stamps.map((stamp) => stampOp(keys, stamp)) }),
      nested({ success: firings.map((firing) => fireOp(keys, firing)) }),
      nested({ success: drops.map((timer) => remove(keyOfTimer(keys, timer))) }),
    ],
  });
}

function stampOp(keys: QueueKeys, stamp: Stamp): TxnOp {
  const fresh = keys.freshDelay(stamp.id);
  return nested({
    compare: [compare.create(fresh, 'equal', stamp.create)],
    success: [remove(fresh), put(keyOfTimer(keys, stamp), '')],
  });
}

function fireOp(keys: QueueKeys, firing: Firing): TxnOp {
  const delayed = keys.delayedItem(firing.id);
  const forget = remove(keyOfTimer(keys, firing));
  return nested({
    compare: [compare.create(delayed, 'equal', firing.create)],
    success: [remove(delayed), forget, { type: 'put', key: keys.item(firing.id), value: firing.value }],
    failure: [forget],
  });
}

function keyOfTimer(keys: QueueKeys, { dueMs, id }: Timer): string {
  return keys.timer(timerPlace(dueMs, id));
}

export function timerOutcome(
  keys: QueueKeys,
  { firings }: TimerWrite,
  reply: OpReply | undefined,
  revision: number,
): TimerOutcome {
  const [stamped = [], fired = []] = reply?.type === 'txn' ? reply.replies.map(successes) : [];
  return {
    stamped,
    fired: firings
      .filter((_, index) => fired[index])
      .map(({ id, value }) =>
        storedItem(keys, { ...unleased, key: keys.item(id), value, createRevision: revision }),
      ),
  };
}

const unleased = { modRevision: 0, version: 1, lease: '0' };

function successes(block: OpReply): boolean[] {
  return block.type === 'txn' ? block.replies.map((each) => each.type === 'txn' && each.succeeded) : [];
}

/** Linearizable, as the plan needs it. */
export async function readTimers(
  keys: QueueKeys,
  store: Store,
  read: TimerRead,
  options: { timeoutMs: number },
): Promise<TimerAnswer> {
  switch (read.type) {
    case 'values':
      return readValues(keys, store, read.ids, options);
    case 'fresh': {
      const range = { ...keys.freshDelays, key: keys.freshDelay(read.from), limit: read.limit + 1 };
      const { kvs } = await store.range(range, options);
      const beyond = kvs[read.limit];
      return {
        type: 'fresh',
        items: kvs.slice(0, read.limit).map((kv) => ({
          ...{ id: keys.nameIn(keys.freshDelays, kv.key), create: kv.createRevision },
          delayMs: delayIn(kv.value),
        })),
        next: beyond && keys.nameIn(keys.freshDelays, beyond.key),
      };
    }
    case 'timers': {
      const rangeEnd = read.to === undefined ? keys.timers.rangeEnd : keys.timer(read.to);
      const range = { key: keys.timer(read.from), rangeEnd, limit: read.limit + 1, keysOnly: true };
      const { kvs } = await store.range(range, options);
      const places = kvs.map(({ key }) => keys.nameIn(keys.timers, key));
      return {
        type: 'timers',
        timers: places.slice(0, read.limit).map((place) => ({ id: itemOfTimer(place), dueMs: dueOf(place) })),
        next: places[read.limit],
      };
    }
  }
}

/** Of a value that cannot be read nobody knows how long it was to wait: it does not wait at all. */
export function delayIn(value: Uint8Array): number {
  const delayMs = Number(Buffer.from(value).toString('latin1'));
  return Number.isFinite(delayMs) && delayMs >= 0 ? delayMs : 0;
}

async function readValues(
  keys: QueueKeys,
  store: Store,
  ids: readonly string[],
  options: { timeoutMs: number },
): Promise<TimerAnswer> {
  const ops: Op[] = ids.map((id) => get(keys.delayedItem(id)));
  const { replies } = await store.txn(txnOf({ success: [nested({ success: ops })] }), options);
  const [block] = replies;
  const found = new Map<string, { create: number; value: Uint8Array }>();
  for (const reply of block?.type === 'txn' ? block.replies : []) {
    const kv = firstOf(reply);
    if (kv === undefined) continue;
    found.set(keys.nameIn(keys.delayed, kv.key), { create: kv.createRevision, value: kv.value });
  }
  return { type: 'values', ids, found };
}
