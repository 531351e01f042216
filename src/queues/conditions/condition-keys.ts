/** The keys of a condition queue below `q/`, and what they hold. Malformed values are read as ones that release nothing. */
import {
  bytesOf,
  type Key,
  type KeyRange,
  type KeyValue,
  nameOfSegment,
  prefixRange,
  segmentOf,
  textOf,
} from '../../store/index.js';
import { type ItemId, placeOf, type QueueKeys } from '../keys.js';
import type { GateValue } from './condition.js';

export function gateKey(keys: QueueKeys, name: string): Key {
  return `${keys.conditions.key}gate/${segmentOf(name)}`;
}

export function taskKey(keys: QueueKeys, task: string): Key {
  return `${keys.conditions.key}task/${segmentOf(task)}`;
}

export function releasedKey(keys: QueueKeys): Key {
  return `${keys.conditions.key}rel`;
}

/** Written by each step of a purge: the gathered items are fewer than they were. */
export function purgedKey(keys: QueueKeys): Key {
  return `${keys.conditions.key}purged`;
}

/** Written by each change of the definition, which lies outside of {@link QueueKeys.news}. */
export function definedKey(keys: QueueKeys): Key {
  return `${keys.conditions.key}defined`;
}

/** What a release is judged by and what can be taken back: gates, purges, releases. Facts about tasks lie behind. */
export function revocable(keys: QueueKeys): Required<KeyRange> {
  return { key: `${keys.conditions.key}gate/`, rangeEnd: `${releasedKey(keys)}\0` };
}

/** The name in the key of a gate or a task; undefined for another key, and for one that nobody of this library has put. */
export function namedIn(keys: QueueKeys, kind: 'gate' | 'task', key: Key): string | undefined {
  const range = prefixRange(`${keys.conditions.key}${kind}/`);
  if (!key.startsWith(range.key)) return undefined;
  return nameOfSegment(key.slice(range.key.length));
}

/** Up to where items are released. */
export interface Released {
  /** How many releases there were. */
  readonly number: number;
  /** Everything below it; undefined: everything, for good. */
  readonly upTo: ItemId | undefined;
}

export const nothingReleased: Released = { number: 0, upTo: placeOf(0) };

export function encodeReleased(upTo: ItemId | undefined): Uint8Array {
  return bytesOf(JSON.stringify(upTo === undefined ? { open: true } : { upTo }));
}

export function releasedIn(kv: KeyValue | undefined): Released {
  if (kv === undefined) return nothingReleased;
  const { open, upTo } = valueIn(kv) as { open?: unknown; upTo?: unknown };
  if (open === true) return { number: kv.version, upTo: undefined };
  return { number: kv.version, upTo: typeof upTo === 'string' ? upTo : placeOf(0) };
}

export function encodeGateValue(value: GateValue): Uint8Array {
  return bytesOf(JSON.stringify({ value }));
}

/** Undefined, as if it had never been set, if it cannot be read. */
export function gateValueIn(kv: KeyValue): GateValue | undefined {
  const { value } = valueIn(kv) as { value?: unknown };
  const isOne = value === null || ['string', 'number', 'boolean'].includes(typeof value);
  return isOne ? (value as GateValue) : undefined;
}

function valueIn(kv: KeyValue): object {
  try {
    const value: unknown = JSON.parse(textOf(kv.value));
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}
