import type { Metadata } from '../transport.js';
import { defaultTableBytes, headerOverheadBytes, staticHeaders } from './static-headers.js';

/** Of {@link staticHeaders}, what every request needs. */
const methodPost = 3;
const schemeHttp = 6;
const schemeHttps = 7;
const names: Readonly<Record<string, number>> = {
  ':authority': 1,
  ':path': 4,
  'content-type': 31,
  'user-agent': 58,
};

const userAgent = 'quorate-node';

/** How a number begins, as its first bits say. */
const numbered = { mark: 0x80, bits: 7 } as const;
const literalToRemember = { mark: 0x40, bits: 6 } as const;
const literal = { mark: 0x00, bits: 4 } as const;
const tableSize = { mark: 0x20, bits: 5 } as const;
const plainText = { mark: 0x00, bits: 7 } as const;

/** The header of its name alone differs from call to call, so it is not worth a number. */
const timeoutName = 'grpc-timeout';

/**
 * Writes the headers of the requests of a connection (RFC 7541). What is said in every request gets a number the first
 * time, for as long as the table has room: it is never made room in, so numbers, once given, stay. The same headers are
 * then the same few bytes, which are kept.
 */
export class HeaderEncoder {
  readonly #scheme: number;
  readonly #authority: string;
  /** The headers with a number, as `name: value`, in the order in which they got it. */
  readonly #table = new Map<string, number>();
  #tableBytes = 0;
  #tableLimit = defaultTableBytes;
  /** Set where the peer has changed what it allows: to be told in the next block. */
  #resized = false;
  #kept = new WeakMap<Metadata, Map<string, Buffer>>();

  constructor(secure: boolean, authority: string) {
    this.#scheme = secure ? schemeHttps : schemeHttp;
    this.#authority = authority;
  }

  /** What the peer allows the table from now on. */
  resize(limit: number): void {
    const next = Math.min(limit, defaultTableBytes);
    if (next === this.#tableLimit) return;
    this.#tableLimit = next;
    this.#resized = true;
    this.#forget();
  }

  /** The headers of a call; `timeout` as gRPC writes it, empty for none. */
  encode(path: string, metadata: Metadata, timeout: string): Buffer {
    const key = timeout === '' ? path : `${path} ${timeout}`;
    let kept = this.#kept.get(metadata);
    const known = kept?.get(key);
    if (known !== undefined) return known;
    const inTable = this.#table.size;
    const out: number[] = [];
    if (this.#resized) {
      writeInteger(out, tableSize, 0);
      writeInteger(out, tableSize, this.#tableLimit);
    }
    writeInteger(out, numbered, methodPost);
    writeInteger(out, numbered, this.#scheme);
    this.#write(out, ':path', path);
    this.#write(out, ':authority', this.#authority);
    this.#write(out, 'te', 'trailers');
    this.#write(out, 'content-type', 'application/grpc');
    this.#write(out, 'user-agent', userAgent);
    for (const [name, value] of Object.entries(metadata)) this.#write(out, name, value);
    if (timeout !== '') {
      writeInteger(out, literal, 0);
      writeText(out, timeoutName);
      writeText(out, timeout);
    }
    const block = Buffer.from(out);
    if (this.#resized || this.#table.size !== inTable) {
      // The next block of these headers will be another one, and numbers of kept ones have moved.
      this.#resized = false;
      this.#kept = new WeakMap();
      return block;
    }
    if (kept === undefined || kept.size >= 64) {
      kept = new Map();
      this.#kept.set(metadata, kept);
    }
    kept.set(key, block);
    return block;
  }

  #write(out: number[], name: string, value: string): void {
    const header = `${name}: ${value}`;
    const order = this.#table.get(header);
    if (order !== undefined) {
      // Numbers count from the newest on.
      writeInteger(out, numbered, staticHeaders.length + this.#table.size - order);
      return;
    }
    const bytes = name.length + value.length + headerOverheadBytes;
    const fits = this.#tableBytes + bytes <= this.#tableLimit;
    const nameNumber = names[name] ?? 0;
    writeInteger(out, fits ? literalToRemember : literal, nameNumber);
    if (nameNumber === 0) writeText(out, name);
    writeText(out, value);
    if (!fits) return;
    this.#table.set(header, this.#table.size);
    this.#tableBytes += bytes;
  }

  #forget(): void {
    this.#table.clear();
    this.#tableBytes = 0;
    this.#kept = new WeakMap();
  }
}

function writeInteger(out: number[], { mark, bits }: { mark: number; bits: number }, value: number): void {
  const most = 2 ** bits - 1;
  if (value < most) {
    out.push(mark | value);
    return;
  }
  out.push(mark | most);
  let rest = value - most;
  for (; rest >= 0x80; rest >>>= 7) out.push((rest & 0x7f) | 0x80);
  out.push(rest);
}

function writeText(out: number[], text: string): void {
  const bytes = Buffer.from(text, 'latin1');
  writeInteger(out, plainText, bytes.length);
  for (const byte of bytes) out.push(byte);
}
