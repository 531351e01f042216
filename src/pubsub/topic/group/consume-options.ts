import { invalidArgument, shown } from '../../../errors.js';
import { checkWaitOptions, type WaitOptions } from '../../../runtime/index.js';
import type { Gap, Position } from '../position.js';
import { checkFrom, type From } from '../reading/starting.js';
import type { Delivery } from './delivery.js';

/** What happened to a member, for logs and dashboards. */
export type ConsumerEvent =
  | { readonly type: 'joined'; readonly member: string }
  /** Works on the partition from its cursor on, under this term, as it was at revision `asOf`; again after `fenced`, if it is its own still. */
  | {
      readonly type: 'claimed';
      readonly partition: number;
      readonly term: number;
      readonly asOf: number;
    }
  /** Has given the partition away. */
  | { readonly type: 'released'; readonly partition: number }
  /** The partition has another owner, or nobody knows; or somebody moved its cursor, and it is begun anew there. */
  | { readonly type: 'fenced'; readonly partition: number; readonly reason: string }
  | { readonly type: 'session-lost' }
  /** Told before the cursor passes the gap, and again by the next owner if this one dies in between. */
  | { readonly type: 'gap'; readonly gap: Gap }
  | {
      readonly type: 'failed';
      readonly partition: number;
      readonly at: Position;
      readonly attempt: number;
      readonly error: unknown;
    }
  | {
      readonly type: 'dead-lettered';
      readonly partition: number;
      readonly at: Position;
      readonly reason: string;
    }
  | { readonly type: 'stopped'; readonly partition: number; readonly at: Position; readonly reason: string }
  /** Something goes wrong, and is tried again. */
  | { readonly type: 'error'; readonly error: unknown };

export interface ConsumeOptions extends WaitOptions {
  /** Where the group begins if it is a new one; a group that there is goes on where it was. Default `'start'`. */
  from?: From | undefined;
  /**
   * Messages of a partition that this member works on at a time, of different keys; those of one key always follow each other, and those
   * without a key follow nobody. Default 1.
   */
  concurrency?: number | undefined;
  /** Messages of a partition that are held beyond the cursor, about: a frame more. Default 256. */
  prefetch?: number | undefined;
  /** Default `'automatic'`: a handler that ends has acknowledged its message, one that fails has rejected it. */
  ack?: 'automatic' | 'manual' | undefined;
  /** Times that a message is handed out. Default 10; `Infinity`: for ever. One that codec or schema refuse is given up at once. */
  attempts?: number | undefined;
  /** Before a message is handed out again: doubled each time, with jitter. Default from 100 to 30,000. */
  retryDelay?: { readonly firstMs: number; readonly longestMs: number } | undefined;
  /**
   * What becomes of a message whose attempts are used up. `'dead-letter'` (default): it is put aside under the group, in the
   * revision that moves the cursor past it. `'stop'`: nothing more of its partition is handed out, by any member, until somebody
   * calls `resume`.
   */
  onExhausted?: 'dead-letter' | 'stop' | undefined;
  /** How long handlers may go on before a partition is given to another member over their heads. Default 10,000. */
  handoverMs?: number | undefined;
  /** A listener that throws is reported as a process warning, and hurts nobody. */
  onEvent?: ((event: ConsumerEvent) => void) | undefined;
}

export type MessageHandler<T> = (message: Delivery<T>) => unknown;

export interface ConsumerSettings {
  readonly from: From;
  readonly concurrency: number;
  readonly prefetch: number;
  readonly ack: 'automatic' | 'manual';
  readonly attempts: number;
  readonly retryDelay: { readonly firstMs: number; readonly longestMs: number };
  readonly onExhausted: 'dead-letter' | 'stop';
  readonly handoverMs: number;
  readonly framesPerPage: number;
  readonly onEvent: ((event: ConsumerEvent) => void) | undefined;
}

const mostHeld = 4_096;

export function checkConsumeOptions(
  options: ConsumeOptions,
  doing: string,
  framesPerPage: number,
): ConsumerSettings {
  checkWaitOptions(options, doing);
  const { retryDelay = { firstMs: 100, longestMs: 30_000 }, onEvent } = options;
  const settings: ConsumerSettings = {
    from: options.from ?? 'start',
    concurrency: options.concurrency ?? 1,
    prefetch: options.prefetch ?? 256,
    ack: options.ack ?? 'automatic',
    attempts: options.attempts ?? 10,
    onExhausted: options.onExhausted ?? 'dead-letter',
    handoverMs: options.handoverMs ?? 10_000,
    ...{ retryDelay, onEvent, framesPerPage },
  };
  checkFrom(settings.from);
  checkCount('concurrency', settings.concurrency, mostHeld);
  checkCount('prefetch', settings.prefetch, mostHeld);
  if (settings.attempts !== Number.POSITIVE_INFINITY)
    checkCount('attempts', settings.attempts, Number.MAX_SAFE_INTEGER);
  checkChoice('ack', settings.ack, ['automatic', 'manual']);
  checkChoice('onExhausted', settings.onExhausted, ['dead-letter', 'stop']);
  checkMs('handoverMs', settings.handoverMs);
  if (typeof retryDelay !== 'object' || retryDelay === null) {
    throw invalidArgument(`retryDelay is ${shown(retryDelay)}`, '{ firstMs, longestMs }, or none');
  }
  checkMs('retryDelay.firstMs', retryDelay.firstMs);
  checkMs('retryDelay.longestMs', retryDelay.longestMs);
  if (onEvent !== undefined && typeof onEvent !== 'function') {
    throw invalidArgument('onEvent is no function', 'a function, or none');
  }
  return settings;
}

function checkCount(name: string, count: unknown, most: number): void {
  if (Number.isSafeInteger(count) && (count as number) >= 1 && (count as number) <= most) return;
  throw invalidArgument(`${name} is ${shown(count)}`, `a whole number from 1 to ${most}, or none`);
}

function checkMs(name: string, ms: unknown): void {
  if (typeof ms === 'number' && Number.isFinite(ms) && ms >= 0) return;
  throw invalidArgument(`${name} is ${shown(ms)}`, 'a finite number of milliseconds from 0');
}

function checkChoice(name: string, choice: unknown, accepted: readonly string[]): void {
  if (accepted.includes(choice as string)) return;
  throw invalidArgument(
    `${name} is ${shown(choice)}`,
    `${accepted.map((one) => `'${one}'`).join(' or ')}, or none`,
  );
}
