import { QuorateError } from '../../errors.js';

const lowBits = 0x7f;
const moreBit = 0x80;

/** How a field is encoded, as its tag says. */
const varintField = 0;
const fixed64Field = 1;
const bytesField = 2;
const fixed32Field = 5;

const noBytes = Buffer.alloc(0);

/**
 * Reads one protobuf message field by field: `next()` steps to a field and tells its number, 0 at the end; then its
 * value is read, or `skip()`ped. What is read shares no memory with the message.
 */
export class MessageReader {
  readonly #buffer: Buffer;
  #at: number;
  #end: number;
  #type = 0;
  /** The two halves of the last integer. */
  #high = 0;
  #low = 0;

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
    this.#at = 0;
    this.#end = buffer.length;
  }

  next(): number {
    if (this.#at >= this.#end) return 0;
    const tag = this.#small();
    this.#type = tag & 7;
    return tag >>> 3;
  }

  skip(): void {
    if (this.#type === varintField) this.#varint();
    else if (this.#type === bytesField) this.#pass(this.#small());
    else if (this.#type === fixed64Field) this.#pass(8);
    else if (this.#type === fixed32Field) this.#pass(4);
    else throw malformed(`a field is of type ${this.#type}`);
  }

  /** Reads a nested message by `read`, which reads until `next()` is 0. */
  nested<Result>(read: (reader: this) => Result): Result {
    const end = this.#end;
    this.#end = this.#lengthened();
    const result = read(this);
    this.#at = this.#end;
    this.#end = end;
    return result;
  }

  flag(): boolean {
    this.#varint();
    return this.#low !== 0 || this.#high !== 0;
  }

  /** An int64 that a double holds exactly; another is refused here, where it enters. */
  safeInteger(): number {
    this.#varint();
    const value = (this.#high | 0) * 2 ** 32 + this.#low;
    if (Number.isSafeInteger(value)) return value;
    const digits = BigInt.asIntN(64, this.#bits());
    throw new QuorateError(
      'internal',
      `the server sent the number ${digits}, which no double holds exactly`,
      {
        outcome: 'unknown',
      },
    );
  }

  /** An int64 in decimal. */
  int64(): string {
    this.#varint();
    const value = (this.#high | 0) * 2 ** 32 + this.#low;
    return Number.isSafeInteger(value) ? String(value) : String(BigInt.asIntN(64, this.#bits()));
  }

  /** A uint64 in decimal. */
  uint64(): string {
    this.#varint();
    return this.#high === 0 ? String(this.#low) : String(this.#bits());
  }

  bytes(): Buffer {
    const end = this.#lengthened();
    const start = this.#at;
    this.#at = end;
    return start === end ? noBytes : Buffer.from(this.#buffer.subarray(start, end));
  }

  /** Bytes as a string, one character for each. */
  byteString(): string {
    const end = this.#lengthened();
    const start = this.#at;
    this.#at = end;
    return this.#buffer.toString('latin1', start, end);
  }

  text(): string {
    const end = this.#lengthened();
    const start = this.#at;
    this.#at = end;
    return this.#buffer.toString('utf8', start, end);
  }

  /** Where the bytes end whose length comes next. */
  #lengthened(): number {
    if (this.#type !== bytesField) throw malformed('a field is not of the type that it should be');
    const end = this.#small() + this.#at;
    if (end > this.#end) throw malformed('a field reaches beyond its message');
    return end;
  }

  #pass(bytes: number): void {
    this.#at += bytes;
    if (this.#at > this.#end) throw malformed('a field reaches beyond its message');
  }

  #bits(): bigint {
    return (BigInt(this.#high >>> 0) << 32n) | BigInt(this.#low);
  }

  /** A tag or a length: below 2^32. */
  #small(): number {
    const byte = this.#buffer[this.#at];
    if (byte !== undefined && byte < moreBit && this.#at < this.#end) {
      this.#at += 1;
      return byte;
    }
    this.#type = varintField;
    this.#varint();
    if (this.#high !== 0) throw malformed('a length is beyond all measure');
    return this.#low;
  }

  #varint(): void {
    if (this.#type !== varintField) throw malformed('a field is not of the type that it should be');
    const buffer = this.#buffer;
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.#at >= this.#end) throw malformed('it ends within a number');
      const byte = buffer[this.#at] as number;
      this.#at += 1;
      const bits = byte & lowBits;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high = bits >>> 4;
      } else high |= bits << (shift - 32);
      if (byte < moreBit) {
        this.#low = low >>> 0;
        this.#high = high >>> 0;
        return;
      }
    }
    throw malformed('a number has no end');
  }
}

function malformed(why: string): QuorateError {
  return new QuorateError('internal', `a message of the server cannot be read: ${why}`, {
    outcome: 'unknown',
  });
}
