/**
 * One HTTP/2 connection as a gRPC client needs it (RFC 9113), on a socket.
 *
 * Node's own http2 spends several times what the rest of a small call costs, on streams and events that a call of one
 * message each way has no use for; hence this.
 *
 * What is known to be unsent is kept apart with care, since a write may be repeated only then: what waits for its turn,
 * what had not left the outbox when the connection was lost, what the server refuses, and what is above the last stream
 * that a server names as it goes away.
 */
import type { Socket } from 'node:net';
import { Reminder, type Runtime } from '../../../runtime/index.js';
import { type Metadata, status } from '../transport.js';
import { BandwidthProbe } from './bandwidth-probe.js';
import { FrameReader } from './frame-reader.js';
import {
  ConnectionError,
  connectionError,
  errorCode,
  flag,
  frameType,
  largestWindow,
  setting,
  uint32,
  unpadded,
} from './frames.js';
import { HeaderBlocks } from './header-blocks.js';
import { grpcTimeout, Http2Stream, type StreamOwner, type StreamReceiver } from './http2-stream.js';
import { Liveness } from './liveness.js';
import { failure, outcomeOfReset } from './outcome.js';
import { connectionWindow, Sender, streamWindow } from './sender.js';

export interface ConnectionOptions {
  readonly socket: Socket;
  readonly secure: boolean;
  readonly authority: string;
  readonly runtime: Runtime;
  /** The server has answered as one that speaks HTTP/2: calls can be made. */
  readonly onReady: () => void;
  /** Once, however it came to an end. */
  readonly onClosed: (error: Error) => void;
  /** The id of the first stream; default 1. */
  readonly firstStreamId?: number;
}

export interface CallStart {
  readonly path: string;
  readonly metadata: Metadata;
  readonly timeoutMs?: number;
  /** The first message of the call. */
  readonly first?: Buffer;
  /** The first message is the only one. */
  readonly only: boolean;
}

/** A farewell has two numbers, and then words if the server likes. */
const farewellBytes = 8;

export class Http2Connection implements StreamOwner {
  readonly #options: ConnectionOptions;
  readonly #sender: Sender;
  readonly #reader = new FrameReader();
  readonly #headers = new HeaderBlocks();
  readonly #liveness: Liveness;
  readonly #probe: BandwidthProbe;
  /** When the first of the calls, or of those that have ended since it was set, is late. */
  readonly #deadline: Reminder;
  readonly #streams = new Map<number, Http2Stream>();
  /** Calls beyond what the server allows at a time. */
  readonly #waiting = new Set<Http2Stream>();
  #nextId: number;
  #maxStreams = Number.POSITIVE_INFINITY;
  /** Bytes of data received since the peer was last allowed more. */
  #unacknowledged = 0;
  #ready = false;
  #draining = false;
  #closed = false;

  constructor(options: ConnectionOptions) {
    const { socket, runtime } = options;
    this.#options = options;
    this.#nextId = options.firstStreamId ?? 1;
    this.#probe = new BandwidthProbe(runtime, (payload) =>
      this.#sender.control(frameType.ping, flag.ack, 0, payload),
    );
    this.#deadline = new Reminder(runtime, () => this.#endLate());
    this.#sender = new Sender(socket, options.secure, options.authority, (bytes) => this.#probe.sent(bytes));
    this.#liveness = new Liveness(
      runtime,
      () => this.#sender.control(frameType.ping, 0, 0, Buffer.alloc(8)),
      () => this.#lost(new Error('no answer to a ping: nobody is there any more')),
    );
    socket.on('error', (error) => this.#lost(error));
    socket.on('close', () => this.#lost(new Error('the server closed the connection')));
    this.#sender.hello();
  }

  /** Whether calls can be made. */
  get usable(): boolean {
    return this.#ready && !this.#draining && !this.#closed;
  }

  open(call: CallStart, receiver: StreamReceiver): Http2Stream {
    const { timeoutMs = Number.POSITIVE_INFINITY } = call;
    const stream = new Http2Stream({ ...call, timeout: grpcTimeout(timeoutMs) }, this, receiver);
    if (timeoutMs !== Number.POSITIVE_INFINITY) {
      stream.deadlineMs = this.#options.runtime.monotonicMs() + timeoutMs;
      if (stream.deadlineMs < this.#deadline.dueMs) this.#deadline.set(stream.deadlineMs);
    }
    if (this.#streams.size + this.#waiting.size === 0) this.#busy(true);
    if (this.#streams.size < this.#maxStreams) this.#start(stream);
    else this.#waiting.add(stream);
    return stream;
  }

  cancel(stream: Http2Stream): void {
    stream.finish(failure(status.cancelled, 'the call was cancelled', stream.id === 0), true);
  }

  /** Ends what is under way, and the connection. */
  close(): void {
    if (this.#closed) return;
    for (const stream of this.#all()) this.cancel(stream);
    this.#goodbye(errorCode.none);
    this.#lost(new Error('the connection was closed'));
  }

  writable(stream: Http2Stream): void {
    this.#sender.pump(stream);
  }

  ended(stream: Http2Stream, reset: boolean): void {
    this.#waiting.delete(stream);
    if (stream.id !== 0) {
      this.#sender.forget(stream);
      this.#streams.delete(stream.id);
      if (reset && !this.#closed) this.#sender.reset(stream.id, errorCode.cancel);
    }
    if (this.#closed) return;
    this.#startWaiting();
    if (this.#streams.size + this.#waiting.size > 0) return;
    this.#busy(false);
    if (this.#draining) this.#lost(new Error('the server has gone away'));
  }

  #startWaiting(): void {
    for (const next of this.#waiting) {
      if (this.#streams.size >= this.#maxStreams || this.#draining) return;
      this.#start(next);
    }
  }

  #start(stream: Http2Stream): void {
    this.#waiting.delete(stream);
    stream.id = this.#nextId;
    this.#nextId += 2;
    this.#streams.set(stream.id, stream);
    this.#sender.open(stream);
    // There are no ids left for further streams.
    if (this.#nextId > largestWindow) this.#drain(largestWindow, 'its streams are used up');
  }

  #endLate(): void {
    const nowMs = this.#options.runtime.monotonicMs();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const stream of this.#all()) {
      if (stream.deadlineMs > nowMs) nextMs = Math.min(nextMs, stream.deadlineMs);
      else {
        stream.deadlineMs = Number.POSITIVE_INFINITY;
        this.#late(stream);
      }
    }
    if (nextMs < this.#deadline.dueMs) this.#deadline.set(nextMs);
  }

  #late(stream: Http2Stream): void {
    // After a stall of this process the answer may have arrived, and wait behind the timer.
    void this.#options.runtime.nextTurn().then(() => {
      stream.finish(failure(status.deadlineExceeded, 'no answer in time', stream.id === 0), true);
    });
  }

  #all(): readonly Http2Stream[] {
    return [...this.#streams.values(), ...this.#waiting];
  }

  /** A connection with calls keeps the process alive, one without does not. */
  #busy(busy: boolean): void {
    const { socket } = this.#options;
    if (busy) socket.ref();
    else socket.unref();
    this.#liveness.busy(busy);
  }

  /** What was read of the socket. */
  received(chunk: Buffer): void {
    if (this.#closed) return;
    this.#liveness.heard();
    try {
      this.#reader.read(chunk, this.#frame);
    } catch (error) {
      if (this.#closed) return;
      this.#goodbye(error instanceof ConnectionError ? error.code : errorCode.internal);
      this.#lost(error instanceof Error ? error : new Error(String(error)));
    }
  }

  readonly #frame = (type: number, flags: number, id: number, payload: Buffer): void => {
    if (this.#closed) return;
    if (!this.#ready && (type !== frameType.settings || flags & flag.ack)) {
      throw connectionError(errorCode.protocol, 'what answers does not begin as HTTP/2 does');
    }
    this.#headers.checkOrder(type, id);
    switch (type) {
      case frameType.data:
        this.#data(flags, id, payload);
        break;
      case frameType.headers:
      case frameType.continuation: {
        const read = this.#headers.read(type, flags, id, payload);
        if (read !== undefined) this.#stream(id)?.headers(read.headers, read.end);
        break;
      }
      case frameType.reset:
        checkLength(payload, 4);
        this.#reset(id, payload.readUInt32BE(0));
        break;
      case frameType.settings:
        if (!(flags & flag.ack)) this.#settings(payload);
        break;
      case frameType.ping:
        checkLength(payload, 8);
        if (!(flags & flag.ack)) this.#probe.pinged(payload);
        break;
      case frameType.goAway:
        this.#goAway(payload);
        break;
      case frameType.windowUpdate:
        checkLength(payload, 4);
        this.#windowUpdate(id, payload.readUInt32BE(0) & largestWindow);
        break;
      case frameType.pushPromise:
        throw connectionError(errorCode.protocol, 'the server pushes, though told not to');
      default: // Of a kind that is of no concern here.
    }
  };

  #data(flags: number, id: number, payload: Buffer): void {
    this.#unacknowledged += payload.length;
    if (this.#unacknowledged >= connectionWindow / 2) {
      this.#sender.control(frameType.windowUpdate, 0, 0, uint32(this.#unacknowledged));
      this.#unacknowledged = 0;
    }
    const stream = this.#stream(id);
    if (stream === undefined) return;
    const end = (flags & flag.endStream) !== 0;
    stream.unacknowledged += payload.length;
    if (!end && stream.unacknowledged >= streamWindow / 2) {
      this.#sender.control(frameType.windowUpdate, 0, id, uint32(stream.unacknowledged));
      stream.unacknowledged = 0;
    }
    stream.data(unpadded(frameType.data, flags, payload), end);
  }

  #reset(id: number, code: number): void {
    const stream = this.#stream(id);
    stream?.finish(outcomeOfReset(code, stream.begun), false);
  }

  #settings(payload: Buffer): void {
    for (let at = 0; at + 6 <= payload.length; at += 6) {
      if (payload.readUInt16BE(at) === setting.maxConcurrentStreams) {
        this.#maxStreams = payload.readUInt32BE(at + 2);
      }
    }
    this.#sender.settings(payload, this.#streams.values());
    this.#startWaiting();
    if (this.#ready) return;
    this.#ready = true;
    this.#busy(false);
    this.#options.onReady();
  }

  #goAway(payload: Buffer): void {
    if (payload.length < farewellBytes) throw connectionError(errorCode.frameSize, 'a farewell is cut short');
    const code = payload.readUInt32BE(4);
    const words = payload.toString('utf8', farewellBytes);
    this.#drain(payload.readUInt32BE(0) & largestWindow, `code ${code}${words === '' ? '' : `, ${words}`}`);
  }

  /** No more streams; those above `lastId`, and those that wait, have not been seen by the server and never will be. */
  #drain(lastId: number, why: string): void {
    this.#draining = true;
    const unseen = failure(status.unavailable, `the connection takes no more calls: ${why}`, true);
    for (const stream of this.#all()) {
      if (stream.id === 0 || stream.id > lastId) stream.finish(unseen, false);
    }
    if (this.#streams.size === 0) this.#lost(new Error(`the server goes away: ${why}`));
  }

  #windowUpdate(id: number, bytes: number): void {
    if (id === 0) this.#sender.allow(bytes);
    else {
      const stream = this.#stream(id);
      if (stream !== undefined) this.#sender.allow(bytes, stream);
    }
  }

  /** Undefined for one that is over. */
  #stream(id: number): Http2Stream | undefined {
    const stream = this.#streams.get(id);
    if (stream === undefined && (id % 2 === 0 || id >= this.#nextId)) {
      throw connectionError(errorCode.protocol, `the server speaks of a stream ${id} that was never opened`);
    }
    return stream;
  }

  #goodbye(code: number): void {
    this.#sender.control(frameType.goAway, 0, 0, uint32(0, code));
    this.#sender.flush();
  }

  #lost(error: Error): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#liveness.stop();
    this.#probe.stop();
    this.#deadline.stop();
    this.#options.socket.destroy();
    for (const stream of this.#all()) {
      const unsent = stream.id === 0 || stream.writesBefore === this.#sender.writes;
      stream.finish(failure(status.unavailable, `the connection was lost: ${error.message}`, unsent), false);
    }
    this.#options.onClosed(error);
  }
}

function checkLength(payload: Buffer, bytes: number): void {
  if (payload.length !== bytes) throw connectionError(errorCode.frameSize, 'a frame is of the wrong length');
}
