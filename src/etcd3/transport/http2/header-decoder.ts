import { connectionError, errorCode } from './frames.js';
import { decodeHuffman } from './huffman.js';
import { defaultTableBytes, headerOverheadBytes, staticHeaders } from './static-headers.js';

type Header = readonly [name: string, value: string];

export type Headers = ReadonlyMap<string, string>;

/** All of a block's headers together may be so large: far more than etcd says, and no burden. */
const longestBlockBytes = 256 * 1024;

/**
 * Reads the headers of a connection (RFC 7541). The server numbers headers that it will say again; so every block is
 * to be read, in order, even where nobody waits for it any more.
 */
export class HeaderDecoder {
  /** The numbered headers, the oldest first. */
  readonly #table: Header[] = [];
  #tableBytes = 0;
  #tableLimit = defaultTableBytes;
  #block: Buffer = Buffer.alloc(0);
  #at = 0;

  decode(block: Buffer): Headers {
    this.#block = block;
    this.#at = 0;
    const headers = new Map<string, string>();
    let bytes = 0;
    while (this.#at < block.length) {
      const header = this.#next(block[this.#at] as number);
      if (header === undefined) continue;
      const [name, value] = header;
      bytes += name.length + value.length + headerOverheadBytes;
      if (bytes > longestBlockBytes) throw connectionError(errorCode.enhanceYourCalm, 'too large headers');
      headers.set(name, value);
    }
    return headers;
  }

  /** What the next bytes say: a header, or something about the table. */
  #next(first: number): Header | undefined {
    if (first & 0x80) return this.#numbered(this.#integer(7));
    if (first & 0x40) {
      const header = this.#literal(6);
      this.#remember(header);
      return header;
    }
    if (first & 0x20) {
      this.#resize(this.#integer(5));
      return undefined;
    }
    return this.#literal(4);
  }

  #numbered(number: number): Header {
    const header =
      staticHeaders[number - 1] ?? this.#table[this.#table.length + staticHeaders.length - number];
    if (header === undefined) throw connectionError(errorCode.compression, `there is no header ${number}`);
    return header;
  }

  #literal(prefixBits: number): Header {
    const number = this.#integer(prefixBits);
    const name = number === 0 ? this.#text() : this.#numbered(number)[0];
    return [name, this.#text()];
  }

  #remember(header: Header): void {
    this.#table.push(header);
    this.#tableBytes += sizeOf(header);
    this.#evict();
  }

  #resize(limit: number): void {
    if (limit > defaultTableBytes) {
      throw connectionError(errorCode.compression, 'the table of headers outgrows what we allow');
    }
    this.#tableLimit = limit;
    this.#evict();
  }

  #evict(): void {
    while (this.#tableBytes > this.#tableLimit) {
      const oldest = this.#table.shift();
      if (oldest === undefined) return;
      this.#tableBytes -= sizeOf(oldest);
    }
  }

  #text(): string {
    const huffman = ((this.#block[this.#at] ?? 0) & 0x80) !== 0;
    const length = this.#integer(7);
    const start = this.#at;
    const end = start + length;
    if (end > this.#block.length) throw connectionError(errorCode.compression, 'headers end within a text');
    this.#at = end;
    return huffman
      ? decodeHuffman(this.#block.subarray(start, end))
      : this.#block.toString('latin1', start, end);
  }

  /** A number in the low bits of a byte, and in the bytes after it if they do not suffice. */
  #integer(prefixBits: number): number {
    const mask = 2 ** prefixBits - 1;
    let value = this.#byte() & mask;
    if (value < mask) return value;
    for (let shift = 0; shift <= 21; shift += 7) {
      const byte = this.#byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw connectionError(errorCode.compression, 'a number in the headers has no end');
  }

  #byte(): number {
    const byte = this.#block[this.#at];
    if (byte === undefined) throw connectionError(errorCode.compression, 'headers end within a number');
    this.#at += 1;
    return byte;
  }
}

function sizeOf([name, value]: Header): number {
  return name.length + value.length + headerOverheadBytes;
}
