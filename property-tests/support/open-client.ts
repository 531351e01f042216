import { isQuorateError } from '../../src/errors.js';
import { sleep } from '../../src/runtime/index.js';
import { Client } from '../../src/session/index.js';
import type { ProcessContext } from '../../src/simulator/index.js';
import type { Store } from '../../src/store/index.js';
import type { Knobs } from './plan.js';

export const namespace = 'p';
/** What a process of these properties needs to stop: they look at what they hold more often than that. */
export const abortMs = 100;

const connectTimeoutMs = 3_000;
const retryMs = 200;

export interface OpenClientOptions {
  readonly store: Store;
  readonly ttlMs: number;
  readonly knobs: Knobs;
}

/** The client of a process that has just started: however ill the cluster is, it tries until it has one. */
export async function openClient(
  { runtime, name, incarnation }: ProcessContext,
  { store, ttlMs, knobs }: OpenClientOptions,
): Promise<Client> {
  const { clockRateError } = knobs;
  const label = `${name}.${incarnation}`;
  for (;;) {
    try {
      return await Client.open({
        ...{ store, runtime, namespace, label, ttlMs, abortMs, clockRateError, connectTimeoutMs },
        lanes: 2,
      });
    } catch (error) {
      if (!isQuorateError(error) || error.code === 'internal') throw error;
      await sleep(runtime, retryMs);
    }
  }
}

/** Whether clocks are what the library claims: a sleep that a step of the wall clock hides is seen by nobody. */
export function clocksMayHideTime(
  faults: readonly { readonly kind: string; readonly target: number }[],
  index: number,
  processes: number,
): boolean {
  const befalls = (kind: string) =>
    faults.some((window) => window.kind === kind && window.target % processes === index);
  return befalls('sleep') && befalls('wall-step');
}
