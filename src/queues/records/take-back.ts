import { bytesOf, textOf } from '../../store/index.js';
import type { AssignedJob } from './assignment.js';
import { parsed, wholeNumber } from './parsing.js';

/** Why an item was taken back from a worker. */
export type TakeBackReason = 'failed' | 'returned' | 'worker-lost';

export interface TakeBack {
  readonly failures: number;
  /** How often a worker was lost that held it. */
  readonly losses: number;
  readonly reason: TakeBackReason;
  /** Milliseconds, counted by the dispatcher from when it learns of this, before the item is given out again. */
  readonly delayMs: number;
}

/** What is written when a worker was lost: its process may have died of the job, but nothing says so. */
export function lossOf({ failures, losses }: AssignedJob): TakeBack {
  return { failures, losses: losses + 1, reason: 'worker-lost', delayMs: 0 };
}

/** What is written when a worker gives a job back unfinished. */
export function returnOf({ failures, losses }: AssignedJob): TakeBack {
  return { failures, losses, reason: 'returned', delayMs: 0 };
}

/** What is written when a handler failed. */
export function failureOf({ failures, losses }: AssignedJob, delayMs: number): TakeBack {
  return { failures: failures + 1, losses, reason: 'failed', delayMs };
}

export function encodeTakeBack(takeBack: TakeBack): Uint8Array {
  return bytesOf(JSON.stringify(takeBack));
}

export function decodeTakeBack(bytes: Uint8Array): TakeBack {
  const value = parsed('generation', () => JSON.parse(textOf(bytes)) as Partial<TakeBack>);
  return {
    failures: wholeNumber(value.failures),
    losses: value.losses === undefined ? 0 : wholeNumber(value.losses),
    reason: value.reason === 'failed' || value.reason === 'returned' ? value.reason : 'worker-lost',
    delayMs: Math.max(0, Number(value.delayMs) || 0),
  };
}
