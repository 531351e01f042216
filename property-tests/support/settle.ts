import type { World } from './world.js';

export interface Settling {
  /** Names what is pending. */
  readonly pending: () => string | undefined;
  /** Names what is pending when all that was sent has arrived. Default nothing. */
  readonly atLast?: () => string | undefined;
  readonly withinMs: number;
  /** Requests may arrive so late. */
  readonly afterlifeMs: number;
  /** Throws if something was done wrong so far. */
  readonly judge: () => void;
}

/** Once all or a core is healed: everything comes to its end, and then, what was sent long ago and still arrives. */
export async function settle(
  world: World,
  { pending, atLast, withinMs, afterlifeMs, judge }: Settling,
): Promise<void> {
  try {
    await world.livenessPhase(pending, withinMs);
    await world.run(afterlifeMs);
    if (atLast !== undefined) await world.livenessPhase(atLast, withinMs);
  } catch (error) {
    // What was done wrong says more than what was not done.
    judge();
    throw error;
  }
}
