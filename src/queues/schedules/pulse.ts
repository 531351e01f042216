const shortestMs = 2_000;
const longestMs = 10_000;

/**
 * How long a dispatcher that has nothing else to do may rest between two beats, while the next tick of a schedule is so far away. If it dies,
 * the next candidate sees so after that time and its patience of a second, which is before the tick counts as missed.
 */
export function pulseForTick(distanceMs: number): number {
  return Math.min(longestMs, Math.max(shortestMs, Math.floor(distanceMs)));
}
