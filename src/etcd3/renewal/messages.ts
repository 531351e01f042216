/** What the two threads say to each other by messages; what must not wait for the event loop is in shared memory. */
import { type ErrorCode, isQuorateError, type Outcome, QuorateError } from '../../errors.js';
import type { ClockReading } from '../../runtime/index.js';
import type { LeaseId } from '../../store/index.js';
import type { Etcd3StoreOptions } from '../options.js';

/** What the thread is started with. */
export interface RenewalThreadData {
  /** How to connect. Buffers arrive as mere arrays of bytes. */
  readonly options: Etcd3StoreOptions;
  readonly lifeSign: SharedArrayBuffer;
  readonly longestStallMs: number;
}

export type ToRenewalThread =
  | {
      readonly type: 'start';
      /** The number of this renewal, unique to the thread. */
      readonly renewal: number;
      readonly leaseId: LeaseId;
      readonly memory: SharedArrayBuffer;
      /** Send of the newest acknowledged grant or keep-alive by the shared clocks, and the TTL in its reply. */
      readonly sent: ClockReading;
      readonly ttlMs: number;
    }
  | { readonly type: 'stop'; readonly renewal: number };

export type FromRenewalThread =
  /** It is connected. */
  | { readonly type: 'ready' }
  /** It could not connect, and ends. */
  | { readonly type: 'refused'; readonly cause: PlainError }
  /** Its memory has changed. */
  | { readonly type: 'renewed'; readonly renewal: number }
  | {
      readonly type: 'trouble';
      readonly renewal: number;
      readonly sent: ClockReading;
      readonly kind: 'overdue' | 'failed';
      readonly cause: PlainError | undefined;
    };

/** An error as it passes between threads, which drop what is not an error's of the language. */
export interface PlainError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly outcome: Outcome;
}

export function plainError(error: unknown): PlainError {
  if (isQuorateError(error)) {
    const { code, message, outcome } = error;
    return { code, message, outcome };
  }
  return {
    code: 'internal',
    message: error instanceof Error ? error.message : String(error),
    outcome: 'unknown',
  };
}

export function errorOf({ code, message, outcome }: PlainError): QuorateError {
  return new QuorateError(code, message, { outcome });
}
