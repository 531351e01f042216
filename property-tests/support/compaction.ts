import type { World } from './world.js';

/** History is compacted so often until then, in one window after another; 0: only where that is one of the faults. */
export function compactEvery({ simulation }: World, everyMs: number, untilMs: number): void {
  for (let atMs = everyMs; everyMs > 0 && atMs < untilMs; atMs += everyMs) {
    simulation.inject({ kind: 'compaction', atMs, durationMs: everyMs, target: 0 });
  }
}

/** The same from the beginning, and each time for a moment. */
export function compactAtMoments({ simulation }: World, everyMs: number, untilMs: number): void {
  for (let atMs = 0; everyMs > 0 && atMs < untilMs; atMs += everyMs) {
    simulation.inject({ kind: 'compaction', atMs, durationMs: 1, target: 0 });
  }
}
