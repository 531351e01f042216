import { bytesOf, type KeyValue, textOf } from '../store/index.js';

/** What the key of a closed gate says. */
export interface GateRecord {
  /** The label of the client that closed it, for people. */
  readonly label: string;
  /** Unique to the call that closed it. */
  readonly call: string;
}

export function encodeGate(record: GateRecord): Uint8Array {
  return bytesOf(JSON.stringify(record));
}

/** Undefined for what no gate says: it is closed all the same. */
export function decodeGate({ value }: Pick<KeyValue, 'value'>): GateRecord | undefined {
  try {
    const { label, call } = JSON.parse(textOf(value)) as Partial<Record<keyof GateRecord, unknown>>;
    return typeof label === 'string' && typeof call === 'string' ? { label, call } : undefined;
  } catch {
    return undefined;
  }
}
