/**
 * How long a lease may be believed in. With T the TTL, r the most by which the rate of any clock, the server's or
 * ours, differs from true time, and a the time it takes to stop using what the session holds:
 *
 * The server restarts the TTL when it handles a keep-alive, so not before the keep-alive was sent, and expires the
 * lease when *its* clock has counted T. If that clock is fast this is true time T / (1 + r) after the send at the
 * earliest. If ours is slow it shows only T (1 - r) / (1 + r) by then, which is T - 2rT / (1 + r). Hence the margin
 * 2rT / (1 + r), plus a for stopping. That the server is usually late is no margin.
 */
import { invalidArgument, shown } from '../errors.js';

export interface ClockBounds {
  /** The largest difference of any clock's rate from true time, as a fraction: 0.01 is 1 %. */
  readonly clockRateError: number;
  /** Milliseconds from the abort of a session until the last effect of what it held has left this process. */
  readonly abortMs: number;
}

/** What is taken off a TTL, in ms of the local clock. */
export function marginMs(ttlMs: number, { clockRateError, abortMs }: ClockBounds): number {
  return (2 * clockRateError * ttlMs) / (1 + clockRateError) + abortMs;
}

/** How long after the send of an acknowledged keep-alive its lease may be believed in, in ms of the local clock. */
export function lifetimeMs(ttlMs: number, bounds: ClockBounds): number {
  return ttlMs - marginMs(ttlMs, bounds);
}

export const shortestTtlMs = 2_000;
const longestTtlMs = 24 * 60 * 60 * 1_000;

/** Refuses a TTL that is out of range, or of which the margin leaves less than half. Answers it in whole seconds. */
export function checkTtl(ttlMs: unknown, bounds: ClockBounds): number {
  if (typeof ttlMs !== 'number' || !(ttlMs >= shortestTtlMs && ttlMs <= longestTtlMs)) {
    throw invalidArgument(
      `ttlMs is ${shown(ttlMs)}`,
      `a number of milliseconds from ${shortestTtlMs} to ${longestTtlMs}`,
    );
  }
  const ttlSeconds = Math.ceil(ttlMs / 1_000);
  const margin = marginMs(ttlSeconds * 1_000, bounds);
  if (margin > ttlSeconds * 500) {
    throw invalidArgument(
      `a TTL of ${ttlSeconds} s less its safety margin of ${Math.ceil(margin)} ms leaves too little to renew it in`,
      'a longer ttlMs, or a smaller clockRateError or abortMs: the margin may take half of the TTL',
    );
  }
  return ttlSeconds;
}

/** Refuses bounds that no clock or no abort can have. */
export function checkClockBounds(bounds: ClockBounds): void {
  const { clockRateError, abortMs } = bounds;
  if (typeof clockRateError !== 'number' || !(clockRateError >= 0 && clockRateError < 1)) {
    throw invalidArgument(`clockRateError is ${shown(clockRateError)}`, 'a fraction from 0 to below 1');
  }
  if (typeof abortMs !== 'number' || !Number.isFinite(abortMs) || abortMs < 0) {
    throw invalidArgument(`abortMs is ${shown(abortMs)}`, 'a finite number of milliseconds from 0');
  }
}
