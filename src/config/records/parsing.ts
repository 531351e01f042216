import { QuorateError } from '../../errors.js';
import { bytesOf, textOf } from '../../store/index.js';
import { isObject } from '../merge-patch.js';

/** The fields of a record that `parse` makes something of. Throws `codec` for what is no such record. */
export function parsedRecord<T>(
  what: string,
  bytes: Uint8Array,
  parse: (fields: Readonly<Record<string, unknown>>) => T,
): T {
  try {
    const fields: unknown = JSON.parse(textOf(bytes));
    if (isObject(fields)) return parse(fields);
  } catch (cause) {
    throw malformed(what, cause);
  }
  throw malformed(what);
}

export function recordBytes(record: object): Uint8Array {
  return bytesOf(JSON.stringify(record));
}

export function text(value: unknown): string {
  if (typeof value !== 'string') throw new TypeError('no text');
  return value;
}

export function texts(value: unknown): readonly string[] {
  return list(value).map(text);
}

export function wholeNumber(value: unknown): number {
  if (!Number.isSafeInteger(value)) throw new TypeError('no whole number');
  return value as number;
}

export function list(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new TypeError('no list');
  return value;
}

export function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  if (!isObject(value)) throw new TypeError('no object');
  return value;
}

function malformed(what: string, cause?: unknown): QuorateError {
  return new QuorateError('codec', `malformed ${what}: was it written by another program?`, { cause });
}
