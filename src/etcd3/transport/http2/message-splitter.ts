import { CallError, status } from '../transport.js';

/** Before each message: whether it is compressed, and its length. */
export const messageHeaderBytes = 5;

/** Cuts the data of a stream into the messages of gRPC. A message may share the memory of what was read. */
export class MessageSplitter {
  #parts: Buffer[] = [];
  #bytes = 0;
  /** Bytes that have to be there before there is something to do. */
  #wanted = messageHeaderBytes;

  /** True if a message has begun and not ended. */
  get within(): boolean {
    return this.#bytes > 0;
  }

  read(data: Buffer, receive: (message: Buffer) => void): void {
    if (this.#bytes > 0) {
      this.#parts.push(data);
      this.#bytes += data.length;
      if (this.#bytes < this.#wanted) return;
      const all = Buffer.concat(this.#parts, this.#bytes);
      this.#keep(undefined);
      this.#cut(all, receive);
    } else this.#cut(data, receive);
  }

  #cut(bytes: Buffer, receive: (message: Buffer) => void): void {
    let at = 0;
    while (at < bytes.length) {
      const left = bytes.length - at;
      if (left < messageHeaderBytes) {
        this.#keep(bytes.subarray(at), messageHeaderBytes);
        return;
      }
      if (bytes[at] !== 0) {
        const details = 'the server sent a compressed message, unasked';
        throw new CallError({ grpcCode: status.internal, details, neverSent: false });
      }
      const size = messageHeaderBytes + bytes.readUInt32BE(at + 1);
      if (left < size) {
        this.#keep(bytes.subarray(at), size);
        return;
      }
      const start = at + messageHeaderBytes;
      at += size;
      receive(bytes.subarray(start, at));
    }
  }

  #keep(rest: Buffer | undefined, wanted = messageHeaderBytes): void {
    this.#parts = rest === undefined ? [] : [rest];
    this.#bytes = rest?.length ?? 0;
    this.#wanted = wanted;
  }
}
