/** Messages that one publisher put into one partition in one revision, as the value of one key. */
import { QuorateError } from '../../errors.js';

const format = 1;
const keyLengthBytes = 2;
const payloadLengthBytes = 4;

export interface FramedMessage {
  readonly key: string | undefined;
  readonly payload: Uint8Array;
}

/** How many bytes it takes in a frame. */
export function framedBytes(key: string | undefined, payload: Uint8Array): number {
  const keyBytes = key === undefined ? 0 : Buffer.byteLength(key);
  return keyLengthBytes + keyBytes + payloadLengthBytes + payload.length;
}

export function encodeFrame(messages: readonly FramedMessage[]): Uint8Array {
  const size = messages.reduce((sum, { key, payload }) => sum + framedBytes(key, payload), 1);
  const bytes = Buffer.allocUnsafe(size);
  let at = bytes.writeUInt8(format, 0);
  for (const { key, payload } of messages) {
    // 0 is no key, so that an empty one is another thing.
    const keyBytes = key === undefined ? 0 : bytes.write(key, at + keyLengthBytes);
    bytes.writeUInt16BE(key === undefined ? 0 : keyBytes + 1, at);
    at = bytes.writeUInt32BE(payload.length, at + keyLengthBytes + keyBytes);
    bytes.set(payload, at);
    at += payload.length;
  }
  return bytes;
}

/** Throws `codec` for what is no frame. */
export function decodeFrame(value: Uint8Array): readonly FramedMessage[] {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  const messages: FramedMessage[] = [];
  try {
    if (bytes.readUInt8(0) !== format) throw new RangeError(`format ${bytes[0]}`);
    for (let at = 1; at < bytes.length; ) {
      const keyLength = bytes.readUInt16BE(at);
      const keyAt = at + keyLengthBytes;
      const lengthAt = keyAt + Math.max(0, keyLength - 1);
      const payloadAt = lengthAt + payloadLengthBytes;
      const end = payloadAt + bytes.readUInt32BE(lengthAt);
      if (end > bytes.length) throw new RangeError('cut off');
      messages.push({
        key: keyLength === 0 ? undefined : bytes.toString('utf8', keyAt, lengthAt),
        payload: value.subarray(payloadAt, end),
      });
      at = end;
    }
  } catch (cause) {
    throw new QuorateError('codec', 'malformed frame of a topic: was it written by another program?', {
      cause,
    });
  }
  return messages;
}
