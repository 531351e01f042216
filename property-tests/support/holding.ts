import { sleep } from '../../src/runtime/index.js';
import type { Client } from '../../src/session/index.js';
import type { Belief } from './belief.js';

/** Between two looks at a hold. */
const lookEveryMs = 40;
/** Holds are no longer than that once everything is healed. */
const healedHoldMs = 10;
/** A stall is decided within a turn of the event loop; that a hold is lost may be seen before. */
const decisionMs = 5;

export interface Holding {
  readonly client: Client;
  readonly belief: Belief;
  /** Fires when it is lost. */
  readonly signal: AbortSignal;
  readonly holdMs: number;
  readonly isHealed: () => boolean;
}

/** How it ended: by its time; lost, told by its signal; or lost with a signal that has not fired when it should have. */
export type Held = 'held' | 'lost' | 'untold';

/** Holds something for its time, or until it is lost; looks often whether it is. */
export async function stay({ client, belief, signal, holdMs, isHealed }: Holding): Promise<Held> {
  const { runtime } = client;
  const beganMs = runtime.monotonicMs();
  for (;;) {
    if (!belief.look()) {
      await sleep(runtime, decisionMs);
      if (belief.recover()) continue;
      return signal.aborted ? 'lost' : 'untold';
    }
    const mostMs = isHealed() ? Math.min(healedHoldMs, holdMs) : holdMs;
    const leftMs = mostMs - (runtime.monotonicMs() - beganMs);
    if (leftMs <= 0) return 'held';
    await sleep(runtime, Math.min(lookEveryMs, leftMs));
  }
}

/** How long somebody is ready to wait, and in which way it ends the wait. */
export interface Patience {
  /** 0: as long as it takes. */
  readonly patienceMs: number;
  readonly givesUpBy: 'timeout' | 'signal';
}

/** The options of a wait, and what to do when it is over. */
export function waitOptions(
  { patienceMs, givesUpBy }: Patience,
  { runtime }: Client,
): { readonly options: { signal?: AbortSignal; timeoutMs?: number }; readonly end: () => void } {
  if (patienceMs === 0) return { options: {}, end: () => {} };
  if (givesUpBy === 'timeout') return { options: { timeoutMs: patienceMs }, end: () => {} };
  const impatience = new AbortController();
  const timer = runtime.setTimer(patienceMs, () => impatience.abort(new Error('gave up')));
  return { options: { signal: impatience.signal }, end: () => timer.cancel() };
}
