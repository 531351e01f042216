import { invalidArgument, shown } from '../../errors.js';
import type { QueueLimits, RateLimit } from '../records/index.js';

const limitNames = ['concurrency', 'groupConcurrency', 'groups', 'rate'];
const rateNames = ['count', 'perMs', 'burst'];
const longestPerMs = 31 * 24 * 3_600_000;
/** Every enqueue reads the control. */
const mostGroups = 500;
const longestGroup = 256;

/** Throws `invalid-argument`; otherwise answers a copy without fields that are undefined. */
export function checkedLimits(limits: unknown): QueueLimits {
  const { concurrency, groupConcurrency, groups, rate } = fieldsOf<QueueLimits>(limits, 'limits', limitNames);
  return {
    ...(concurrency === undefined ? {} : { concurrency: checkedCount(concurrency, 'limits.concurrency', 0) }),
    ...(groupConcurrency === undefined
      ? {}
      : { groupConcurrency: checkedCount(groupConcurrency, 'limits.groupConcurrency', 0) }),
    ...(groups === undefined ? {} : { groups: checkedGroups(groups) }),
    ...(rate === undefined ? {} : { rate: checkedRate(rate) }),
  };
}

function checkedGroups(groups: unknown): Record<string, number> {
  const accepted = `an object with up to ${mostGroups} groups and their limits`;
  if (typeof groups !== 'object' || groups === null || Array.isArray(groups)) {
    throw invalidArgument('limits.groups is no object', accepted);
  }
  const entries = Object.entries(groups);
  if (entries.length > mostGroups)
    throw invalidArgument(`limits.groups has ${entries.length} groups`, accepted);
  return Object.fromEntries(
    entries.map(([group, limit]) => {
      if (group.length > longestGroup) {
        const what = `a name of a group in limits.groups has ${group.length} characters`;
        throw invalidArgument(what, `up to ${longestGroup}`);
      }
      return [group, checkedCount(limit, `limits.groups of "${group}"`, 0)];
    }),
  );
}

function checkedRate(rate: unknown): RateLimit {
  const { count, perMs, burst } = fieldsOf<RateLimit>(rate, 'limits.rate', rateNames);
  if (typeof perMs !== 'number' || !(perMs > 0 && perMs <= longestPerMs)) {
    const accepted = `a number of milliseconds above 0 and up to ${longestPerMs}`;
    throw invalidArgument(`limits.rate.perMs is ${shown(perMs)}`, accepted);
  }
  return {
    count: checkedCount(count, 'limits.rate.count', 1),
    perMs,
    ...(burst === undefined ? {} : { burst: checkedCount(burst, 'limits.rate.burst', 1) }),
  };
}

function checkedCount(value: unknown, what: string, least: number): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least) return value;
  throw invalidArgument(`${what} is ${shown(value)}`, `a whole number from ${least}`);
}

function fieldsOf<T extends object>(value: unknown, what: string, names: readonly string[]): Partial<T> {
  const accepted = `an object with ${names.join(', ')}`;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidArgument(`${what} is no object`, accepted);
  }
  const unknown = Object.keys(value).find((name) => !names.includes(name));
  if (unknown !== undefined) throw invalidArgument(`${what} has a field "${unknown}"`, accepted);
  return value;
}
