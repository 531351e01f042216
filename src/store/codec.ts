import { bytesOf, textOf } from './build.js';

/**
 * How values of type `T` become the bytes of a key and values again. Both functions may throw: the call that
 * needed them then fails with code `codec` and the exception as its `cause`.
 */
export interface Codec<T> {
  encode(value: T): Uint8Array;
  decode(bytes: Uint8Array): T;
}

/**
 * Values as JSON in UTF-8: what `JSON.stringify` keeps of them and no more. A value that has no JSON at all
 * (`undefined`, a function) is refused rather than stored as nothing.
 */
export function jsonCodec<T>(): Codec<T> {
  return {
    encode(value) {
      const text: string | undefined = JSON.stringify(value);
      if (text === undefined) throw new TypeError(`a value of type ${typeof value} has no JSON form`);
      return bytesOf(text);
    },
    decode: (bytes) => JSON.parse(textOf(bytes)) as T,
  };
}
