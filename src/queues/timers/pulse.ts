/** A takeover loses the queue time since the last beat: with this part of what is left of a delay, it comes late by as little. */
const partOfDistance = 32;
const shortestMs = 300;
const longestMs = 10_000;

/**
 * How long a dispatcher that has nothing else to do may rest between two beats, while the next timer is so far away. Each beat
 * carries the queue time, so that a successor goes on where it was; the further the timer, the less does it matter by how
 * much it comes late.
 */
export function pulseFor(distanceMs: number): number {
  return Math.min(longestMs, Math.max(shortestMs, Math.floor(distanceMs / partOfDistance)));
}
