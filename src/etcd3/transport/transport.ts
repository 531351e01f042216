/**
 * What the adapter asks of a transport: gRPC calls to one endpoint, messages as bytes. It knows nothing of etcd, of
 * retries or of other endpoints; what is above it knows nothing of connections and frames.
 */

/**
 * Headers of a call, beside those that gRPC itself needs; names in lower case. One object serves many calls, so that
 * a transport may keep what it has made of it.
 */
export type Metadata = Readonly<Record<string, string>>;

/** The status codes of gRPC. */
export const status = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  permissionDenied: 7,
  resourceExhausted: 8,
  aborted: 10,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

export interface CallFailure {
  /** A status code of gRPC: the server's, or what the transport makes of its trouble. */
  readonly grpcCode: number;
  readonly details: string;
  /** True only if no server can have seen the request, now or later. */
  readonly neverSent: boolean;
}

/** Why a call or a stream failed. */
export class CallError extends Error implements CallFailure {
  readonly grpcCode: number;
  readonly details: string;
  readonly neverSent: boolean;

  constructor({ grpcCode, details, neverSent }: CallFailure, cause?: unknown) {
    super(`${grpcCode} ${details}`, cause === undefined ? undefined : { cause });
    this.name = 'CallError';
    this.grpcCode = grpcCode;
    this.details = details;
    this.neverSent = neverSent;
  }
}

/** Exactly one of them is called, once, and never before the call has returned. */
export interface UnaryListener {
  /** The message is to be read at once: its memory is not the listener's to keep. */
  succeeded(message: Buffer): void;
  failed(error: CallError): void;
}

export interface UnaryCall {
  /** Ends the call, if it is still under way, as failed with the code of cancellation. */
  cancel(): void;
}

export interface StreamListener {
  /** The message is to be read at once: its memory is not the listener's to keep. */
  message(message: Buffer): void;
  /** The end: the stream broke, or the server ended it with a failure. */
  failed(error: CallError): void;
  /** The end: the server ended the stream, and calls that a success. */
  ended(): void;
}

export interface ClientStream {
  write(message: Buffer): void;
  /** Ends the stream at once; its listener hears nothing more. */
  cancel(): void;
}

/** One server address: whether it is connected, and calls to it. All calls travel on one connection. */
export interface Endpoint {
  /** `host:port`. */
  readonly name: string;
  isReady(): boolean;
  /** Resolves once connected; rejects once an attempt has failed, or after `timeoutMs`. */
  connect(timeoutMs: number): Promise<void>;
  unary(
    path: string,
    message: Buffer,
    metadata: Metadata,
    timeoutMs: number,
    listener: UnaryListener,
  ): UnaryCall;
  /** The listener hears nothing before this has returned. */
  stream(path: string, metadata: Metadata, listener: StreamListener): ClientStream;
  /** Closes the connection, unless it is another's; calls under way fail. */
  close(): void;
}
