/** The keys of places of a read-write lock, and whom each waits for. */
import type { Line, Place, PlaceShape } from '../../line/index.js';
import { type Key, type KeyRange, prefixRange } from '../../store/index.js';

const read = 'r/';
const write = 'w/';

export const readerShape: PlaceShape = {
  keys: (stem) => [`${read}${stem}`],
  waitsFor: (key) => key.startsWith(write),
};

export const writerShape: PlaceShape = {
  keys: (stem) => [`${write}${stem}`, `${read}${stem}`],
  waitsFor: isReadKey,
};

/** The write keys of everybody. */
export function writersOf(line: Line): KeyRange {
  return prefixRange(`${line.prefix}${write}`);
}

/** Of a key without the prefix of the line. */
export function isReadKey(key: string): boolean {
  return key.startsWith(read);
}

export function isWriteKey(line: Line, key: Key): boolean {
  return key.startsWith(`${line.prefix}${write}`);
}

/** The write key that goes with the read key of this place, without the prefix of the line. */
export function writeKeyBeside(line: Line, place: Place): string {
  return `${write}${ownReadKey(line, place).slice(read.length)}`;
}

/** The read key of a place that has no other, without the prefix of the line. */
export function ownReadKey(line: Line, place: Place): string {
  return place.key.slice(line.prefix.length);
}
