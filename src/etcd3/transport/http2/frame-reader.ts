import { connectionError, defaultMaxFrameSize, errorCode, frameHeaderBytes } from './frames.js';

export type FrameHandler = (type: number, flags: number, streamId: number, payload: Buffer) => void;

/** Cuts the bytes of a connection into frames. A payload shares the memory of what was read. */
export class FrameReader {
  #rest: Buffer | undefined;

  read(chunk: Buffer, handle: FrameHandler): void {
    const bytes = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = undefined;
    let at = 0;
    while (bytes.length - at >= frameHeaderBytes) {
      const length = bytes.readUIntBE(at, 3);
      if (length > defaultMaxFrameSize) {
        throw connectionError(errorCode.frameSize, 'what answers speaks no HTTP/2, or too large frames');
      }
      const start = at + frameHeaderBytes;
      const end = start + length;
      if (end > bytes.length) break;
      const type = bytes[at + 3] as number;
      const flags = bytes[at + 4] as number;
      const streamId = bytes.readUInt32BE(at + 5) & 0x7fff_ffff;
      at = end;
      handle(type, flags, streamId, bytes.subarray(start, end));
    }
    if (at < bytes.length) this.#rest = bytes.subarray(at);
  }
}
