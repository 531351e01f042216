import { malformed, parsed } from './parsing.js';

const lengthBytes = 4;

/** The length of the head in four bytes, the head in JSON, and the rest as it is: bytes are neither escaped nor widened. */
export function encodeHeaded(head: object, ...rest: readonly Uint8Array[]): Uint8Array {
  const text = Buffer.from(JSON.stringify(head));
  const length = Buffer.alloc(lengthBytes);
  length.writeUInt32BE(text.length);
  return Buffer.concat([length, text, ...rest]);
}

/** Throws `codec`. What the head holds is not checked. */
export function decodeHeaded<Head extends object>(
  what: string,
  bytes: Uint8Array,
): { head: Head; rest: Uint8Array } {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.length < lengthBytes) throw malformed(what);
  const end = lengthBytes + buffer.readUInt32BE(0);
  const head = parsed(what, () => JSON.parse(buffer.toString('utf8', lengthBytes, end)) as Head);
  return { head, rest: bytes.subarray(end) };
}
