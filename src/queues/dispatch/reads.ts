/** What the dispatcher reads and watches, turned into the words of its plan. Malformed values are read as empty ones. */
import type { KeyEvent, KeyValue } from '../../store/index.js';
import { inRange, textOf } from '../../store/index.js';
import { creditChangeOf } from '../bounds/credit-keys.js';
import { conditionChangeOf } from '../conditions/read-conditions.js';
import { levelOf, type QueueKeys } from '../keys.js';
import {
  type AssignedJob,
  type Beat,
  decodeBeat,
  decodeControl,
  decodeItem,
  decodePresence,
  decodeRecord,
  decodeTakeBack,
  longestInlinePayloadBytes,
  openControl,
  type TakeBack,
} from '../records/index.js';
import { delayIn } from '../timers/timer-transactions.js';
import type { SeenControl } from './choice/fleet-rules.js';
import type { QueueChange, StoredItem, StoredWorker } from './messages.js';

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

export function workerOf(keys: QueueKeys, kv: KeyValue): StoredWorker {
  const nothing = { slots: 0, concurrency: 0, label: '' };
  const { slots, concurrency } = lenient(() => decodePresence(kv.value), nothing);
  return { id: keys.nameIn(keys.presences, kv.key), create: kv.createRevision, slots, concurrency };
}

/** Where it cannot be read nothing is given out: nobody knows what it was to prevent. */
export function controlOf(kv: KeyValue | undefined): SeenControl {
  if (kv === undefined) return { mod: 0, control: openControl };
  return {
    mod: kv.modRevision,
    control: lenient(() => decodeControl(kv.value), { ...openControl, paused: true }),
  };
}

export function jobsOfRecord(kv: KeyValue): readonly AssignedJob[] {
  return lenient(() => decodeRecord(kv.value), []);
}

/** Undefined if it cannot be read: who begins then begins at the start. */
export function beatOf(kv: KeyValue): Beat | undefined {
  return lenient(() => decodeBeat(kv.value), undefined);
}

/** Undefined for what the plan need not know of: candidates, and moves of gates, which only the dispatcher makes. */
export function changeOf(keys: QueueKeys, event: KeyEvent): QueueChange | undefined {
  const { kv } = event;
  const isPut = event.type === 'put';
  if (inRange(keys.items, kv.key)) {
    if (isPut) return { type: 'item-created', item: storedItem(keys, kv) };
    return { type: 'item-gone', id: keys.nameIn(keys.items, kv.key) };
  }
  if (inRange(keys.freshDelays, kv.key)) {
    if (!isPut) return undefined;
    const id = keys.nameIn(keys.freshDelays, kv.key);
    return { type: 'item-delayed', id, create: kv.createRevision, delayMs: delayIn(kv.value) };
  }
  if (inRange(keys.generations, kv.key)) {
    if (!isPut) return undefined;
    return { type: 'taken-back', id: keys.nameIn(keys.generations, kv.key), ...generationOf(kv) };
  }
  if (inRange(keys.presences, kv.key)) {
    if (!isPut) return { type: 'worker-gone', worker: keys.nameIn(keys.presences, kv.key) };
    return { type: 'worker-present', worker: workerOf(keys, kv) };
  }
  if (inRange(keys.accounts, kv.key)) {
    const credit = creditChangeOf(keys, event);
    return credit && { type: 'credit', change: credit };
  }
  if (isPut && kv.version === 1 && inRange(keys.levelGates, kv.key)) {
    const gate = textOf(kv.value);
    return { type: 'level-opened', level: { name: levelOf(gate), gate, start: gate } };
  }
  if (kv.key === keys.control) return { type: 'controlled', seen: controlOf(isPut ? kv : undefined) };
  if (isPut && inRange(keys.cancellations, kv.key)) {
    return { type: 'cancelled', id: keys.nameIn(keys.cancellations, kv.key), reason: kv.value };
  }
  const change = keys.kind === 'condition' ? conditionChangeOf(keys, event) : undefined;
  return change && { type: 'condition', change };
}

function lenient<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}
