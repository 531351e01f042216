import type { World } from './world.js';

export interface Settling {
  /** Names what is pending. */
  readonly pending: () => string | undefined;
  readonly withinMs: number;
  /** Requests may arrive so late. */
  readonly afterlifeMs: number;
  /** Throws if something was done wrong so far. */
  readonly judge: () => void;
}

/** Once all or a core is healed: everything comes to its end, and then, what was sent long ago and still arrives. */
export async function settle(
  world: World,
  { pending, withinMs, afterlifeMs, judge }: Settling,
): Promise<void> {
  try {
    await world.livenessPhase(pending, withinMs);
  } catch (error) {
    // What was done wrong says more than what was not done.
    judge();
    throw error;
  }
  await world.run(afterlifeMs);
}
