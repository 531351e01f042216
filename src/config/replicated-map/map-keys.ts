import { invalidArgument, shown } from '../../errors.js';
import type { Client } from '../../session/index.js';
import { type Key, keyOf, textOfKey } from '../../store/index.js';

const longestKeyBytes = 1_024;

/** The keys of one map: `{ns}/map/{name}/e/{key}`, the key's own UTF-8, and the stamp `{ns}/map/{name}/s`. */
export class MapKeys {
  /** Of all of them. */
  readonly prefix: Key;
  readonly stamp: Key;
  readonly #entries: Key;

  constructor(client: Client, name: string) {
    this.prefix = client.keys.prefix('map', name);
    this.stamp = `${this.prefix}s`;
    this.#entries = `${this.prefix}e/`;
  }

  /** Of any string that has a UTF-8 form, the empty one too. Throws `invalid-argument`. */
  entry(key: unknown): Key {
    const accepted = `a string of at most ${longestKeyBytes} UTF-8 bytes without lone surrogates`;
    if (typeof key !== 'string')
      throw invalidArgument(`key is ${shown(key)}, of type ${typeof key}`, accepted);
    const encoded = keyOf(key);
    if (encoded.length > longestKeyBytes)
      throw invalidArgument(`key is ${encoded.length} bytes long`, accepted);
    if (textOfKey(encoded) !== key) throw invalidArgument('key has a lone surrogate', accepted);
    return this.#entries + encoded;
  }

  /** Undefined for what is no entry: the stamp, and bytes that are no text, which no key of a map has. */
  nameOf(key: Key): string | undefined {
    if (!key.startsWith(this.#entries)) return undefined;
    const encoded = key.slice(this.#entries.length);
    const name = textOfKey(encoded);
    return keyOf(name) === encoded ? name : undefined;
  }
}
