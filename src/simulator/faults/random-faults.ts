import type { SeededRandom } from '../random.js';
import { type FaultKind, type FaultWindow, faultKinds } from './fault-window.js';

export interface RandomFaultsOptions {
  /** Kinds to draw from. Default: all but `stale-leader`, against which no client can promise anything. */
  readonly kinds?: readonly FaultKind[];
  /** At most so many windows. Default 6. */
  readonly windows?: number;
  /** All begin within so much time. Default 8,000. */
  readonly withinMs?: number;
  /** The longest window. Default 6,000. */
  readonly longestMs?: number;
}

const shortestMs = 50;
/** Targets are taken modulo the number of processes or members. */
const targets = 60;

/**
 * A few windows at random. A random part of the kinds is left out altogether, since some bugs show only where nothing
 * else goes wrong.
 */
export function randomFaults(random: SeededRandom, options: RandomFaultsOptions = {}): FaultWindow[] {
  const { kinds = faultKinds.filter((kind) => kind !== 'stale-leader') } = options;
  const { windows = 6, withinMs = 8_000, longestMs = 6_000 } = options;
  const share = random.next();
  const drawn = kinds.filter(() => random.chance(share));
  const used = drawn.length > 0 ? drawn : kinds;
  if (used.length === 0) return [];
  return Array.from({ length: random.integer(windows + 1) }, () => ({
    atMs: Math.round(random.between(0, withinMs)),
    durationMs: Math.round(random.between(shortestMs, longestMs)),
    kind: random.pick(used),
    target: random.integer(targets),
  }));
}
