import { milliseconds } from './evidence.js';
import type { History } from './history.js';
import type { Grant } from './mutex.js';
import { proofOf } from './place-order.js';
import { broken } from './sentences.js';

export interface LockDelayCheck {
  readonly history: History;
  /** All grants of the lock. */
  readonly grants: readonly Grant[];
  /**
   * Those of them that ended by a loss, or the death of their process, within the stated bound of clocks, and not since
   * somebody deleted their place. Each with `endedAtMs`.
   */
  readonly losses: readonly Grant[];
  readonly lockDelayMs: number;
}

/** Throws `InvariantBroken` for LOCK-11. Answers how many of the losses were followed by another grant at all. */
export function checkLockDelay({ history, grants, losses, lockDelayMs }: LockDelayCheck): number {
  const byToken = [...grants].sort((left, right) => left.token - right.token);
  let followed = 0;
  for (const lost of losses) {
    const next = byToken.find(({ token }) => token > lost.token);
    if (next === undefined) continue;
    followed += 1;
    const { endedAtMs = 0 } = lost;
    const atMs = history.timeOf(proofOf(next.token)) ?? Number.POSITIVE_INFINITY;
    if (atMs - endedAtMs >= lockDelayMs) continue;
    broken(
      'LOCK-11',
      `${lost.process} held token ${lost.token} by ${lost.place} up to ${milliseconds(endedAtMs)}, and ${next.process} was granted token ${next.token} by ${next.place} at ${milliseconds(atMs)}, with a lock-delay of ${milliseconds(lockDelayMs)}`,
    );
  }
  return followed;
}
