import type { Socket } from 'node:net';
import {
  connectionError,
  defaultMaxFrameSize,
  defaultWindow,
  errorCode,
  flag,
  frameHeaderBytes,
  frameType,
  largestWindow,
  preface,
  setting,
  settingsPayload,
  uint32,
  writeFrameHeader,
} from './frames.js';
import { HeaderEncoder } from './header-encoder.js';
import type { Http2Stream } from './http2-stream.js';
import { Outbox } from './outbox.js';

/** What the peer may send of one stream, and of all together, before we have taken note of it: plenty for either. */
export const streamWindow = 4 * 1024 * 1024;
export const connectionWindow = 16 * 1024 * 1024;

const nothing = Buffer.alloc(0);

/** The half of a connection that writes: frames, within what the peer allows. */
export class Sender {
  readonly #outbox: Outbox;
  readonly #headers: HeaderEncoder;
  readonly #onData: (bytes: number) => void;
  /** Streams with data for which there was no window, in the order in which they came to wait. */
  readonly #blocked = new Set<Http2Stream>();
  #window = defaultWindow;
  #streamWindow = defaultWindow;
  #maxFrameSize = defaultMaxFrameSize;

  /** `onData` is told of data, in bytes, as it leaves. */
  constructor(socket: Socket, secure: boolean, authority: string, onData: (bytes: number) => void) {
    this.#onData = onData;
    this.#outbox = new Outbox(socket);
    this.#headers = new HeaderEncoder(secure, authority);
  }

  get writes(): number {
    return this.#outbox.writes;
  }

  flush(): void {
    this.#outbox.flush();
  }

  hello(): void {
    this.#outbox.claim(preface.length).write(preface, 'latin1');
    const settings = settingsPayload([
      [setting.enablePush, 0],
      [setting.initialWindowSize, streamWindow],
    ]);
    this.control(frameType.settings, 0, 0, settings);
    this.control(frameType.windowUpdate, 0, 0, uint32(connectionWindow - defaultWindow));
  }

  control(type: number, flags: number, streamId: number, payload: Buffer): void {
    const frame = this.#outbox.claim(frameHeaderBytes + payload.length);
    writeFrameHeader(frame, 0, payload.length, type, flags, streamId);
    payload.copy(frame, frameHeaderBytes);
  }

  reset(streamId: number, code: number): void {
    this.control(frameType.reset, 0, streamId, uint32(code));
  }

  /** Says the headers of a stream that has just got its id, and as much of its data as may go. */
  open(stream: Http2Stream): void {
    stream.writesBefore = this.#outbox.writes;
    stream.window = this.#streamWindow;
    const block = this.#headers.encode(stream.path, stream.metadata, stream.timeout);
    let type: number = frameType.headers;
    for (let at = 0; at < block.length; at += this.#maxFrameSize) {
      const part = block.subarray(at, at + this.#maxFrameSize);
      const last = at + part.length === block.length;
      this.control(type, last ? flag.endHeaders : 0, stream.id, part);
      type = frameType.continuation;
    }
    this.pump(stream);
  }

  /** Sends what waits of a stream, as far as the peer allows. */
  pump(stream: Http2Stream): void {
    for (let waiting = stream.waitingBytes; waiting > 0; waiting = stream.waitingBytes) {
      const length = Math.min(waiting, this.#window, stream.window, this.#maxFrameSize);
      if (length <= 0) {
        this.#blocked.add(stream);
        return;
      }
      const frame = this.#outbox.claim(frameHeaderBytes + length);
      this.#window -= length;
      const last = stream.take(frame.subarray(frameHeaderBytes));
      writeFrameHeader(frame, 0, length, frameType.data, last ? flag.endStream : 0, stream.id);
      this.#onData(length);
    }
    this.#blocked.delete(stream);
  }

  forget(stream: Http2Stream): void {
    this.#blocked.delete(stream);
  }

  /** The peer allows so many bytes more, of one stream or of all together. */
  allow(bytes: number, stream?: Http2Stream): void {
    const window = (stream === undefined ? this.#window : stream.window) + bytes;
    if (bytes === 0 || window > largestWindow) {
      throw connectionError(errorCode.flowControl, 'the server makes no sense of flow control');
    }
    if (stream !== undefined) {
      stream.window = window;
      if (this.#blocked.has(stream)) this.pump(stream);
      return;
    }
    this.#window = window;
    for (const waiting of [...this.#blocked]) {
      if (this.#window <= 0) return;
      this.pump(waiting);
    }
  }

  /** Takes over what the peer has set, for the open `streams` too. */
  settings(payload: Buffer, streams: Iterable<Http2Stream>): void {
    for (let at = 0; at + 6 <= payload.length; at += 6) {
      const value = payload.readUInt32BE(at + 2);
      switch (payload.readUInt16BE(at)) {
        case setting.headerTableSize:
          this.#headers.resize(value);
          break;
        case setting.initialWindowSize: {
          if (value > largestWindow) throw connectionError(errorCode.flowControl, 'a window is too large');
          const more = value - this.#streamWindow;
          this.#streamWindow = value;
          for (const stream of streams) {
            stream.window += more;
            if (more > 0 && this.#blocked.has(stream)) this.pump(stream);
          }
          break;
        }
        case setting.maxFrameSize:
          this.#maxFrameSize = Math.max(defaultMaxFrameSize, value);
          break;
        default: // Of no concern here.
      }
    }
    this.control(frameType.settings, flag.ack, 0, nothing);
  }
}
