import { bytesOf, type Key, type KeyValue, textOf } from '../store/index.js';

/** What the key of a place says, for people and for whoever looks at the line. Nothing that changes while it stands. */
export interface PlaceRecord {
  /** The session that it goes with. */
  readonly session: string;
  /** The label of its client. */
  readonly label: string;
  /** For whom it stands, where that is told: see the detection of deadlocks. */
  readonly owner?: string;
  /** It was handed over to this place, which stood further back: its key and the revision that created it. */
  readonly handedTo?: { readonly key: Key; readonly revision: number };
}

/** A line of JSON, then bytes that the record comes with, if there are any. */
export function encodePlace(record: PlaceRecord, attached?: Uint8Array): Uint8Array {
  const text = JSON.stringify(record);
  if (attached === undefined || attached.length === 0) return bytesOf(text);
  return Buffer.concat([bytesOf(`${text}\n`), attached]);
}

/** Undefined for what no place says. */
export function decodePlace(
  kv: Pick<KeyValue, 'value'>,
): { record: PlaceRecord; attached: Uint8Array } | undefined {
  const newline = kv.value.indexOf(0x0a);
  const end = newline < 0 ? kv.value.length : newline;
  try {
    const record: unknown = JSON.parse(textOf(kv.value.subarray(0, end)));
    return isRecord(record) ? { record, attached: kv.value.subarray(end + 1) } : undefined;
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is PlaceRecord {
  if (typeof value !== 'object' || value === null) return false;
  const { session, label, owner, handedTo } = value as Partial<Record<keyof PlaceRecord, unknown>>;
  if (typeof session !== 'string' || typeof label !== 'string') return false;
  if (owner !== undefined && typeof owner !== 'string') return false;
  if (handedTo === undefined) return true;
  if (typeof handedTo !== 'object' || handedTo === null) return false;
  const { key, revision } = handedTo as { key?: unknown; revision?: unknown };
  return typeof key === 'string' && Number.isSafeInteger(revision);
}
