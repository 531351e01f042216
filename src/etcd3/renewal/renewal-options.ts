import { invalidArgument, shown } from '../../errors.js';
import { systemRuntime } from '../../runtime/index.js';
import type { Etcd3StoreOptions } from '../options.js';

export interface RenewalSettings {
  readonly renewal: 'loop' | 'worker';
  readonly longestStallMs: number;
}

const defaultLongestStallMs = 60_000;
const shortestMs = 1_000;
const longestMs = 24 * 60 * 60 * 1_000;

/** Who renews leases, and for how long without a sign of life. */
export function checkRenewal(options: Etcd3StoreOptions): RenewalSettings {
  const { renewal = 'loop', longestStallMs = defaultLongestStallMs } = options;
  if (renewal !== 'loop' && renewal !== 'worker') {
    throw invalidArgument(`renewal is ${shown(renewal)}`, "'loop' or 'worker'");
  }
  if (renewal === 'loop') {
    if (options.longestStallMs === undefined) return { renewal, longestStallMs };
    throw invalidArgument("longestStallMs without renewal: 'worker'", 'both, or neither');
  }
  for (const name of ['etcd3', 'runtime'] as const) {
    if (options[name] === undefined || options[name] === systemRuntime) continue;
    throw invalidArgument(`renewal by a worker with ${name}`, 'hosts, and the clocks of this process');
  }
  if (typeof longestStallMs !== 'number' || !(longestStallMs >= shortestMs && longestStallMs <= longestMs)) {
    throw invalidArgument(
      `longestStallMs is ${shown(longestStallMs)}`,
      `milliseconds from ${shortestMs} to ${longestMs}: a process that is blocked for ever must lose its leases`,
    );
  }
  return { renewal, longestStallMs };
}
