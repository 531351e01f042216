/** What the dispatcher reads and watches, turned into the words of its plan. Malformed values are read as empty ones. */
import type { KeyEvent, KeyValue } from '../../store/index.js';
import { inRange } from '../../store/index.js';
import type { QueueKeys } from '../keys.js';
import {
  type AssignedJob,
  type Beat,
  decodeBeat,
  decodeItem,
  decodePresence,
  decodeRecord,
  decodeTakeBack,
  longestInlinePayloadBytes,
  type TakeBack,
} from '../records/index.js';
import type { QueueChange, StoredItem } from './messages.js';

const unknownTakeBack: TakeBack = { failures: 0, losses: 0, reason: 'returned', delayMs: 0 };

export function storedItem(keys: QueueKeys, kv: KeyValue): StoredItem {
  const item = { id: keys.nameIn(keys.items, kv.key), create: kv.createRevision };
  const value = lenient(() => decodeItem(kv.value), undefined);
  if (value === undefined) return item;
  const traits = value.traits === undefined ? {} : { traits: value.traits };
  if (value.payload.length > longestInlinePayloadBytes) return { ...item, ...traits };
  return { ...item, ...traits, payload: value.payload };
}

export function generationOf(kv: KeyValue): { generation: number; takeBack: TakeBack } {
  return { generation: kv.version, takeBack: lenient(() => decodeTakeBack(kv.value), unknownTakeBack) };
}

export function workerOf(keys: QueueKeys, kv: KeyValue): { id: string; create: number; slots: number } {
  const { slots } = lenient(() => decodePresence(kv.value), { slots: 0, concurrency: 0, label: '' });
  return { id: keys.nameIn(keys.presences, kv.key), create: kv.createRevision, slots };
}

export function jobsOfRecord(kv: KeyValue): readonly AssignedJob[] {
  return lenient(() => decodeRecord(kv.value), []);
}

/** Undefined if it cannot be read: who begins then begins at the start. */
export function beatOf(kv: KeyValue): Beat | undefined {
  return lenient(() => decodeBeat(kv.value), undefined);
}

/** Undefined for keys that the plan need not know of: the gate, which only the dispatcher moves, and candidates. */
export function changeOf(keys: QueueKeys, event: KeyEvent): QueueChange | undefined {
  const { kv } = event;
  const isPut = event.type === 'put';
  if (inRange(keys.items, kv.key)) {
    if (isPut) return { type: 'item-created', item: storedItem(keys, kv) };
    return { type: 'item-gone', id: keys.nameIn(keys.items, kv.key) };
  }
  if (inRange(keys.generations, kv.key)) {
    if (!isPut) return undefined;
    return { type: 'taken-back', id: keys.nameIn(keys.generations, kv.key), ...generationOf(kv) };
  }
  if (inRange(keys.presences, kv.key)) {
    if (!isPut) return { type: 'worker-gone', worker: keys.nameIn(keys.presences, kv.key) };
    const { id, create, slots } = workerOf(keys, kv);
    return { type: 'worker-present', worker: id, create, slots };
  }
  return undefined;
}

function lenient<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}
