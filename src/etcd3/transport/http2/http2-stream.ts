import { CallError, type Metadata, status } from '../transport.js';
import type { Headers } from './header-decoder.js';
import { MessageSplitter, messageHeaderBytes } from './message-splitter.js';
import { failure, type Outcome, outcomeOf, refusalOf } from './outcome.js';

/** What comes of a stream. */
export interface StreamReceiver {
  message(message: Buffer): void;
  /** Once, the last word. */
  closed(outcome: Outcome): void;
}

/** Data that is to be sent, of which `sent` bytes have been. */
interface Outgoing {
  readonly bytes: Buffer;
  sent: number;
}

/** What a stream asks of its connection. */
export interface StreamOwner {
  /** There is data to send. */
  writable(stream: Http2Stream): void;
  /** The stream has ended; `reset` if the server does not know it yet. */
  ended(stream: Http2Stream, reset: boolean): void;
}

/**
 * One call on a connection, from the moment it is asked for: it may have to wait for its turn, and has no id till then.
 */
export class Http2Stream {
  readonly path: string;
  readonly metadata: Metadata;
  /** As gRPC writes it; empty for none. */
  readonly timeout: string;
  /** 0 until the stream has been started. */
  id = 0;
  /** The count of writes of the connection when it was started. */
  writesBefore = 0;
  /** How many bytes of data the peer allows. */
  window = 0;
  /** Bytes of data received since the peer was last allowed more. */
  unacknowledged = 0;
  /** By the monotonic clock. */
  deadlineMs = Number.POSITIVE_INFINITY;
  readonly #owner: StreamOwner;
  readonly #receiver: StreamReceiver;
  readonly #outgoing: Outgoing[] = [];
  readonly #splitter = new MessageSplitter();
  readonly #receive = (message: Buffer) => {
    if (!this.#over) this.#receiver.message(message);
  };
  readonly #endsAfter: boolean;
  #begun = false;
  #over = false;

  /** `first` is sent with the headers; a call of one request has it as its `only` one. */
  constructor(
    call: { path: string; metadata: Metadata; timeout: string; first?: Buffer; only: boolean },
    owner: StreamOwner,
    receiver: StreamReceiver,
  ) {
    this.path = call.path;
    this.metadata = call.metadata;
    this.timeout = call.timeout;
    this.#owner = owner;
    this.#receiver = receiver;
    this.#endsAfter = call.only;
    if (call.first !== undefined) this.#outgoing.push(framed(call.first));
  }

  /** Whether the server has begun to answer. */
  get begun(): boolean {
    return this.#begun;
  }

  /** Bytes of the data that wait at the front of the line. */
  get waitingBytes(): number {
    const first = this.#outgoing[0];
    return first === undefined ? 0 : first.bytes.length - first.sent;
  }

  write(message: Buffer): void {
    if (this.#over) return;
    this.#outgoing.push(framed(message));
    if (this.id !== 0) this.#owner.writable(this);
  }

  /** Fills `room` with data that waits. True if it is the last of this stream. */
  take(room: Buffer): boolean {
    const first = this.#outgoing[0];
    if (first === undefined) return false;
    first.bytes.copy(room, 0, first.sent, first.sent + room.length);
    first.sent += room.length;
    this.window -= room.length;
    if (first.sent === first.bytes.length) this.#outgoing.shift();
    return this.#endsAfter && this.#outgoing.length === 0;
  }

  headers(headers: Headers, end: boolean): void {
    if (this.#over) return;
    if (!this.#begun) {
      if (/^1\d\d$/.test(headers.get(':status') ?? '')) return;
      this.#begun = true;
      const refusal = refusalOf(headers);
      if (refusal !== undefined) this.#told(refusal, end);
      else if (end) this.#told(outcomeOf(headers), end);
    } else if (end) {
      const outcome = outcomeOf(headers);
      const half = outcome === undefined && this.#splitter.within;
      this.#told(half ? failure(status.internal, 'the server sent half a message') : outcome, end);
    } else this.#told(failure(status.internal, 'the server sent headers amid the data'), end);
  }

  data(data: Buffer, end: boolean): void {
    if (this.#over) return;
    if (!this.#begun) {
      this.#told(failure(status.internal, 'the server sent data before headers'), end);
      return;
    }
    try {
      this.#splitter.read(data, this.#receive);
    } catch (error) {
      this.#told(error instanceof CallError ? error : failure(status.internal, String(error)), end);
      return;
    }
    if (end) this.#told(failure(status.unknown, 'the server ended the call without a status'), end);
  }

  /** An end that the server has brought about, by what it sent; `ended` if it is through with the stream itself. */
  #told(outcome: Outcome, ended: boolean): void {
    this.finish(outcome, !ended || !this.#endsAfter || this.waitingBytes > 0);
  }

  /** The end, whoever brought it about. */
  finish(outcome: Outcome, reset: boolean): void {
    if (this.#over) return;
    this.#over = true;
    this.#outgoing.length = 0;
    this.#owner.ended(this, reset);
    this.#receiver.closed(outcome);
  }
}

function framed(message: Buffer): Outgoing {
  const bytes = Buffer.allocUnsafe(messageHeaderBytes + message.length);
  bytes[0] = 0;
  bytes.writeUInt32BE(message.length, 1);
  message.copy(bytes, messageHeaderBytes);
  return { bytes, sent: 0 };
}

/** As gRPC writes it: at most eight digits and a unit. Empty for one too long to be said. */
export function grpcTimeout(timeoutMs: number): string {
  const ms = Math.ceil(timeoutMs);
  if (ms < 1e8) return `${ms}m`;
  const seconds = Math.ceil(timeoutMs / 1_000);
  return seconds < 1e8 ? `${seconds}S` : '';
}
