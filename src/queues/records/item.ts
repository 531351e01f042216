import { malformed, parsed } from './parsing.js';

/**
 * First byte of an item. A plain one goes on with the time and the payload; one with traits with the time, the length of its
 * traits in two bytes, the traits in JSON, and the payload.
 */
const plainItem = 0;
const itemWithTraits = 1;
/** The time takes six bytes. */
const timeFrom = 1;
const timeBytes = 6;
const plainFrom = timeFrom + timeBytes;
const traitsFrom = plainFrom + 2;

/** More than this is refused by who enqueues: the length must fit, and each record carries the traits along. */
export const longestTraitsBytes = 4_096;

/** What an item says beside its payload. Fields that are absent take no space. */
export interface ItemTraits {
  /** Ordering key: items that share one are worked on strictly one after another. */
  readonly key?: string;
  /** Counts against the concurrency of this group. */
  readonly group?: string;
  /** After so many failures it goes to the dead letters. */
  readonly attempts?: number;
  /** What its handler returns is kept for so many milliseconds. */
  readonly resultMs?: number;
  /** The schedule that put it, and the moment that it was for. */
  readonly schedule?: string;
  readonly tickMs?: number;
  /** Of a condition queue: the task that it is. */
  readonly task?: string;
}

export interface StoredValue {
  readonly payload: Uint8Array;
  /** By the clock of who enqueued it: for people, never for an order. */
  readonly enqueuedAtMs: number;
  readonly traits?: ItemTraits;
}

export function encodeItem(payload: Uint8Array, enqueuedAtMs: number, traits?: ItemTraits): Uint8Array {
  const text = traits === undefined ? '{}' : JSON.stringify(traits);
  const head = text === '{}' ? undefined : Buffer.from(text);
  const from = head === undefined ? plainFrom : traitsFrom + head.length;
  const bytes = Buffer.allocUnsafe(from + payload.length);
  bytes[0] = head === undefined ? plainItem : itemWithTraits;
  bytes.writeUIntBE(Math.max(0, Math.floor(enqueuedAtMs)), timeFrom, timeBytes);
  if (head !== undefined) {
    bytes.writeUInt16BE(head.length, plainFrom);
    head.copy(bytes, traitsFrom);
  }
  bytes.set(payload, from);
  return bytes;
}

export function decodeItem(bytes: Uint8Array): StoredValue {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [kind] = buffer;
  if (kind !== plainItem && kind !== itemWithTraits) throw malformed('item');
  if (buffer.length < (kind === plainItem ? plainFrom : traitsFrom)) throw malformed('item');
  const enqueuedAtMs = buffer.readUIntBE(timeFrom, timeBytes);
  if (kind === plainItem) return { payload: bytes.subarray(plainFrom), enqueuedAtMs };
  const end = traitsFrom + buffer.readUInt16BE(plainFrom);
  if (end > bytes.length) throw malformed('item');
  const traits = parsed(
    'item',
    () => JSON.parse(buffer.toString('utf8', traitsFrom, end)) as Partial<ItemTraits>,
  );
  return { payload: bytes.subarray(end), enqueuedAtMs, traits: checkedTraits(traits) };
}

/** Only what this version knows, and of the right types. */
export function checkedTraits(traits: Partial<ItemTraits>): ItemTraits {
  const { key, group, attempts, resultMs, task, schedule, tickMs } = traits;
  return {
    ...(typeof key === 'string' ? { key } : {}),
    ...(typeof group === 'string' ? { group } : {}),
    ...(Number.isSafeInteger(attempts) ? { attempts: attempts as number } : {}),
    ...(Number.isSafeInteger(resultMs) ? { resultMs: resultMs as number } : {}),
    ...(typeof task === 'string' ? { task } : {}),
    ...(typeof schedule === 'string' ? { schedule } : {}),
    ...(Number.isSafeInteger(tickMs) ? { tickMs: tickMs as number } : {}),
  };
}
