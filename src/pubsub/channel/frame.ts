/**
 * What stands in the key of a channel: the messages that were published in one revision, at least one.
 *
 *     01  (length, bytes)*        length: LEB128, 7 bits a byte, the least significant first
 *
 * A value that is anything else, of another program or a later format, is refused as a whole.
 */
import { QuorateError } from '../../errors.js';

const format = 1;
const biggestLengthBytes = 4;

/** Bytes of a frame beside those of its messages, at most, for so many messages. */
export function frameOverhead(messages: number): number {
  return 1 + biggestLengthBytes * messages;
}

export function encodeFrame(messages: readonly Uint8Array[]): Uint8Array {
  let size = 1;
  for (const { length } of messages) size += lengthBytes(length) + length;
  const frame = new Uint8Array(size);
  frame[0] = format;
  let at = 1;
  for (const message of messages) {
    let { length } = message;
    for (; length > 0x7f; length >>>= 7) frame[at++] = (length & 0x7f) | 0x80;
    frame[at++] = length;
    frame.set(message, at);
    at += message.length;
  }
  return frame;
}

/** The messages of a frame, as views of it. Throws `codec`. */
export function decodeFrame(frame: Uint8Array): readonly Uint8Array[] {
  if (frame[0] !== format) {
    throw new QuorateError('codec', 'what stands there is no frame of a channel: something else wrote it');
  }
  const messages: Uint8Array[] = [];
  let at = 1;
  while (at < frame.length) {
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = frame[at];
      if (byte === undefined || shift >= 7 * biggestLengthBytes) throw torn();
      at += 1;
      length |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    if (at + length > frame.length) throw torn();
    messages.push(frame.subarray(at, at + length));
    at += length;
  }
  if (messages.length === 0) throw torn();
  return messages;
}

function lengthBytes(length: number): number {
  if (length < 2 ** 7) return 1;
  if (length < 2 ** 14) return 2;
  return length < 2 ** 21 ? 3 : biggestLengthBytes;
}

function torn(): QuorateError {
  return new QuorateError('codec', 'what stands there is a frame of a channel that is not whole');
}
