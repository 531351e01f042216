import { bytesOf, textOf } from '../../store/index.js';
import { malformed, parsed } from './parsing.js';

/** `count` jobs are given out in each `perMs` in the long run; any `perMs` sees at most `burst + count`. */
export interface RateLimit {
  readonly count: number;
  readonly perMs: number;
  /** How many may be given out at once after a rest. Default: `count`. */
  readonly burst?: number;
}

/** What holds for the whole queue, whoever works on it. Absent: no limit. */
export interface QueueLimits {
  /** Jobs in the hands of all workers together. */
  readonly concurrency?: number;
  /** Jobs of one group in the hands of all workers, unless `groups` says otherwise for it. */
  readonly groupConcurrency?: number;
  readonly groups?: Readonly<Record<string, number>>;
  readonly rate?: RateLimit;
}

/**
 * How many items a queue holds, those being worked on included, and what becomes of one that finds no room. Above it enter follow-ups,
 * ticks of schedules, and delayed items as they come due: before, they do not count and need no room.
 */
export interface QueueBound {
  readonly maxLength: number;
  /**
   * `wait`: for its turn and room. `refuse`: it is not let in. `drop-oldest`: the oldest that nobody works on makes room; in a queue with
   * priorities the oldest of the least urgent that its dispatcher holds, and of more than its `mirror` it holds the most urgent.
   */
  readonly whenFull: 'wait' | 'refuse' | 'drop-oldest';
}

/** What operators have decided for the queue: one document, changed by compare-and-set. */
export interface QueueControl {
  /** Nothing is given out. */
  readonly paused: boolean;
  /** Nothing is let in. */
  readonly closed: boolean;
  readonly limits: QueueLimits;
  /** Null: that there is none. Absent: nobody has decided yet. */
  readonly bound?: QueueBound | null;
}

export const openControl: QueueControl = { paused: false, closed: false, limits: {} };

export function encodeControl(control: QueueControl): Uint8Array {
  return bytesOf(JSON.stringify(control));
}

/** A document that cannot be read, or only in part, is refused: nobody knows what it was to prevent. */
export function decodeControl(bytes: Uint8Array): QueueControl {
  const value = parsed('control', () => JSON.parse(textOf(bytes)) as Partial<QueueControl>);
  const { paused = false, closed = false, limits = {}, bound } = value;
  if (Array.isArray(value) || typeof paused !== 'boolean' || typeof closed !== 'boolean') {
    throw malformed('control');
  }
  const control = { paused, closed, limits: limitsOf(limits) };
  if (bound === undefined) return control;
  if (bound !== null && !isBound(bound)) throw malformed('control');
  return { ...control, bound };
}

function limitsOf(limits: QueueLimits | null): QueueLimits {
  if (typeof limits !== 'object' || limits === null || Array.isArray(limits)) throw malformed('control');
  const { concurrency, groupConcurrency, groups, rate } = limits;
  const isFine =
    (concurrency === undefined || isCount(concurrency)) &&
    (groupConcurrency === undefined || isCount(groupConcurrency)) &&
    (groups === undefined || isGroups(groups)) &&
    (rate === undefined || isRate(rate));
  if (!isFine) throw malformed('control');
  return {
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(groupConcurrency === undefined ? {} : { groupConcurrency }),
    ...(groups === undefined ? {} : { groups }),
    ...(rate === undefined ? {} : { rate }),
  };
}

function isGroups(groups: unknown): boolean {
  if (typeof groups !== 'object' || groups === null || Array.isArray(groups)) return false;
  return Object.values(groups).every(isCount);
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

export const waysWhenFull: readonly string[] = [
  'wait',
  'refuse',
  'drop-oldest',
] satisfies QueueBound['whenFull'][];

function isBound({ maxLength, whenFull }: Partial<QueueBound>): boolean {
  return isCount(maxLength) && maxLength > 0 && waysWhenFull.includes(String(whenFull));
}

function isRate(rate: RateLimit | null | undefined): rate is RateLimit {
  if (typeof rate !== 'object' || rate === null) return false;
  const { count, perMs, burst = count } = rate;
  return isCount(count) && count > 0 && isCount(burst) && burst > 0 && Number.isFinite(perMs) && perMs > 0;
}
