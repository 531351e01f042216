import { invalidArgument, shown } from '../errors.js';
import type { Key, KeyRange } from './types.js';

const longestNameBytes = 1_024;
const biggestRevision = Number.MAX_SAFE_INTEGER;
/** Of characters that stand for themselves: most are. */
const plainSegment = /^[\w\-.!~*'()]*$/;

/** The key of a text: its UTF-8 bytes. For ASCII that is the text itself. */
export function keyOf(text: string): Key {
  if (typeof text !== 'string') throw invalidArgument(`a key is ${shown(text)}`, 'a text');
  // As many bytes as characters: all of them ASCII.
  return Buffer.byteLength(text, 'utf8') === text.length
    ? text
    : Buffer.from(text, 'utf8').toString('latin1');
}

/** The text of a key that was made by {@link keyOf}. */
export function textOfKey(key: Key): string {
  return Buffer.from(key, 'latin1').toString('utf8');
}

/** The smallest key above all keys that begin with `prefix`: the range end of a prefix. */
export function prefixEnd(prefix: Key): Key {
  for (let index = prefix.length - 1; index >= 0; index -= 1) {
    const byte = prefix.charCodeAt(index);
    if (byte < 0xff) return prefix.slice(0, index) + String.fromCharCode(byte + 1);
  }
  return '\0';
}

/** All keys that begin with `prefix`; all keys at all for the empty prefix. */
export function prefixRange(prefix: Key): Required<KeyRange> {
  return prefix === '' ? { key: '\0', rangeEnd: '\0' } : { key: prefix, rangeEnd: prefixEnd(prefix) };
}

/** True if `key` lies in `range`. */
export function inRange(range: KeyRange, key: Key): boolean {
  if (range.rangeEnd === undefined || range.rangeEnd === '') return key === range.key;
  return key >= range.key && (range.rangeEnd === '\0' || key < range.rangeEnd);
}

/** A number as 16 hexadecimal digits, so that keys sort as their numbers do. */
export function hexRevision(revision: number): string {
  if (!Number.isSafeInteger(revision) || revision < 0) {
    throw invalidArgument(`revision ${revision}`, `a whole number from 0 to ${biggestRevision}`);
  }
  return revision.toString(16).padStart(16, '0');
}

/**
 * Refuses a name (of a lock, queue, namespace…) that cannot be told from others or shown to people: empty,
 * longer than 1,024 bytes, with control characters or lone surrogates. `what` names it in the message.
 */
export function checkName(name: unknown, what: string): asserts name is string {
  const accepted = `a non-empty string of at most ${longestNameBytes} UTF-8 bytes without control characters`;
  if (typeof name !== 'string') throw invalidArgument(`${what} is of type ${typeof name}`, accepted);
  if (name === '') throw invalidArgument(`${what} is empty`, accepted);
  if (/\p{Cc}/u.test(name))
    throw invalidArgument(`${what} ${JSON.stringify(name)} has control characters`, accepted);
  if (/\p{Cs}/u.test(name))
    throw invalidArgument(`${what} ${JSON.stringify(name)} has a lone surrogate`, accepted);
  if (Buffer.byteLength(name) > longestNameBytes) {
    throw invalidArgument(`${what} is ${Buffer.byteLength(name)} bytes long`, accepted);
  }
}

/** A name as one path segment of a key: letters, digits and `-_.!~*'()` stay, the rest is percent-encoded UTF-8. */
export function segmentOf(name: string): Key {
  return encodeURIComponent(name);
}

/**
 * The name in a segment that {@link segmentOf} made. Undefined for any other: what only decodes to a name is another key than that of
 * the name, put there by another program, and must not pass for it.
 */
export function nameOfSegment(segment: Key): string | undefined {
  if (plainSegment.test(segment)) return segment;
  try {
    const name = decodeURIComponent(segment);
    return segmentOf(name) === segment ? name : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The keys of one namespace: `{namespace}/{type}/{name}/…`. Every name is one escaped segment, so no name is a
 * path prefix of another, and types never share keys.
 */
export class Keyspace {
  readonly namespace: string;
  readonly #prefix: Key;

  constructor(namespace: string) {
    checkName(namespace, 'namespace');
    this.namespace = namespace;
    this.#prefix = segmentOf(namespace);
  }

  /** The prefix, with a slash at its end, under which the object of this type and name keeps its keys. */
  prefix(type: string, name: string): Key {
    checkName(name, `${type} name`);
    return `${this.typePrefix(type)}${segmentOf(name)}/`;
  }

  /** The prefix, with a slash at its end, of all objects of this type. */
  typePrefix(type: string): Key {
    return `${this.#prefix}/${type}/`;
  }
}
