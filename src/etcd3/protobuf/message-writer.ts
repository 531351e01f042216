const firstBytes = 256;
const lowBits = 0x7f;
const moreBit = 0x80;
const beyondLowBits = 2 ** 7;
const beyond28Bits = 2 ** 28;

/** How a field is encoded, as its tag says. */
const varintField = 0;
const bytesField = 2;

/**
 * Writes one protobuf message from its end to its start: the length of what is nested stands before it, and so is
 * known when its turn comes. Hence fields are written last first, and of a field its value before its tag. All fields
 * here have numbers below 2^28.
 */
export class MessageWriter {
  #buffer = Buffer.allocUnsafe(firstBytes);
  #start = firstBytes;

  /** Bytes written so far; what was written since an earlier reading of it can be wrapped by `nested`. */
  get length(): number {
    return this.#buffer.length - this.#start;
  }

  /** The message. The writer is used no more. */
  finish(): Buffer {
    return this.#buffer.subarray(this.#start);
  }

  /** Puts what was written since `length` was `from` into one field. */
  nested(field: number, from: number): void {
    this.#tag(field, bytesField, this.length - from);
  }

  flag(field: number, value: boolean | undefined): void {
    if (value) this.integer(field, 1);
  }

  /** A whole number from 0 to 2^53 - 1. */
  integer(field: number, value: number): void {
    this.#reserve(15);
    this.#varint(value);
    this.#varint(field * 8 + varintField);
  }

  /** A decimal int64. */
  int64(field: number, digits: string): void {
    if (digits.length <= 15 && !digits.startsWith('-')) {
      this.integer(field, Number(digits));
      return;
    }
    this.#reserve(15);
    const bits = BigInt.asUintN(64, BigInt(digits));
    this.#longVarint(Number(bits >> 32n), Number(bits & 0xffff_ffffn));
    this.#varint(field * 8 + varintField);
  }

  bytes(field: number, value: Uint8Array): void {
    this.#reserve(value.length + 15);
    this.#start -= value.length;
    this.#buffer.set(value, this.#start);
    this.#tag(field, bytesField, value.length);
  }

  /** A string of which every character stands for one byte. False, and nothing written, if one is above U+00FF. */
  byteString(field: number, value: string): boolean {
    const { length } = value;
    this.#reserve(length + 15);
    const start = this.#start - length;
    const buffer = this.#buffer;
    for (let index = 0; index < length; index += 1) {
      const code = value.charCodeAt(index);
      if (code > 0xff) return false;
      buffer[start + index] = code;
    }
    this.#start = start;
    this.#tag(field, bytesField, length);
    return true;
  }

  text(field: number, value: string): void {
    this.bytes(field, Buffer.from(value, 'utf8'));
  }

  #tag(field: number, type: number, length: number): void {
    this.#reserve(15);
    this.#varint(length);
    this.#varint(field * 8 + type);
  }

  #varint(value: number): void {
    const buffer = this.#buffer;
    if (value < beyondLowBits) {
      this.#start -= 1;
      buffer[this.#start] = value;
      return;
    }
    let size = 1;
    for (let rest = value; rest >= beyondLowBits; rest = Math.floor(rest / beyondLowBits)) size += 1;
    this.#start -= size;
    let at = this.#start;
    let rest = value;
    while (rest >= beyond28Bits) {
      buffer[at] = (rest % beyondLowBits) | moreBit;
      at += 1;
      rest = Math.floor(rest / beyondLowBits);
    }
    while (rest >= beyondLowBits) {
      buffer[at] = (rest & lowBits) | moreBit;
      at += 1;
      rest >>>= 7;
    }
    buffer[at] = rest;
  }

  /** Of two halves of 32 bits, without sign. */
  #longVarint(high: number, low: number): void {
    if (high < 2 ** 21) {
      this.#varint(high * 2 ** 32 + low);
      return;
    }
    const size = high < 2 ** 24 ? 8 : high < 2 ** 31 ? 9 : 10;
    this.#start -= size;
    let at = this.#start;
    let [upper, lower] = [high, low];
    for (let left = size; left > 1; left -= 1) {
      this.#buffer[at] = (lower & lowBits) | moreBit;
      at += 1;
      lower = ((lower >>> 7) | (upper << 25)) >>> 0;
      upper >>>= 7;
    }
    this.#buffer[at] = lower;
  }

  #reserve(bytes: number): void {
    if (this.#start >= bytes) return;
    const { length } = this;
    const size = Math.max(this.#buffer.length * 2, length + bytes);
    const grown = Buffer.allocUnsafe(size);
    this.#buffer.copy(grown, size - length, this.#start);
    this.#buffer = grown;
    this.#start = size - length;
  }
}
