import { QuorateError } from '../../errors.js';

/** An object that `parse` returns; otherwise, or if it throws, the value is malformed. */
export function parsed<T>(what: string, parse: () => T): T {
  try {
    const value = parse();
    if (typeof value === 'object' && value !== null) return value;
  } catch (error) {
    throw malformed(what, error);
  }
  throw malformed(what);
}

export function wholeNumber(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw malformed('value under a queue key');
  return value;
}

export function malformed(what: string, cause?: unknown): QuorateError {
  return new QuorateError('codec', `malformed ${what}: was it written by another program?`, { cause });
}
