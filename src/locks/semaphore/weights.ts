import type { Key } from '../../store/index.js';

/** Below the prefix of a semaphore: its limit, a decimal. */
export const limitKey = 'cfg';

/** Below the prefix of a semaphore: all of its places. */
export const placesKey = 'l/';

/** The name of a place, below the prefix of its semaphore: it says how much it weighs, and never changes. */
export function placeNameOf(stem: string, weight: number): string {
  return `${placesKey}${stem}.${weight}`;
}

/** What the place of this key weighs; undefined if it is none. */
export function weightIn(key: Key): number | undefined {
  const digits = key.slice(key.lastIndexOf('.') + 1);
  return isDecimal(digits) && isWeight(Number(digits)) ? Number(digits) : undefined;
}

export function isWeight(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1;
}

export function isLimit(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** What the limit says; undefined for what is none. */
export function limitIn(text: string): number | undefined {
  const digits = text.trim();
  return isDecimal(digits) && isLimit(Number(digits)) ? Number(digits) : undefined;
}

function isDecimal(text: string): boolean {
  return /^\d+$/.test(text);
}
