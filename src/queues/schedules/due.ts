import { invalidArgument } from '../../errors.js';
import type { Ticks } from './ticks.js';

/**
 * What becomes of ticks that nobody could give an item at their time, since no worker ran or the queue was closed: nothing, one item
 * for all of them, or an item for each of the last so many.
 */
export type MissedTicks = 'skip' | 'one' | { readonly atMost: number };

/** A tick that is later than this was missed. */
export const lateAfterMs = 5_000;
const mostItems = 50;
const mostOnTime = 10;
/** A request of etcd takes 1.5 MiB, the schedule itself included. */
const bytesTogether = 1_000_000;
/** What an item may have beside its payload: traits and keys. */
const largestRest = 16_000;

export function checkedMissed(missed: unknown): MissedTicks {
  if (missed === undefined) return 'one';
  if (missed === 'skip' || missed === 'one') return missed;
  const atMost = (missed as { atMost?: unknown } | null)?.atMost;
  if (typeof atMost === 'number' && Number.isInteger(atMost) && atMost >= 1 && atMost <= mostItems)
    return { atMost };
  throw invalidArgument(
    'missed is something else',
    `'skip', 'one', or { atMost: a whole number from 1 to ${mostItems} }`,
  );
}

/** What is due: the ticks that get an item, the earliest first, and the last one that is decided by that. */
export interface Due {
  readonly ticks: readonly number[];
  readonly lastMs: number;
}

/** Undefined if no tick has come after `lastMs`. */
export function dueTicks(ticks: Ticks, missed: MissedTicks, lastMs: number, nowMs: number): Due | undefined {
  const lateMs = nowMs - lateAfterMs;
  const onTime = ticks.latest(Math.max(lastMs, lateMs), nowMs, mostOnTime);
  const late = lateMs > lastMs ? ticks.latest(lastMs, lateMs, Math.max(1, mostMissed(missed))) : [];
  const last = onTime.at(-1) ?? late.at(-1);
  if (last === undefined) return firstAfter(ticks, missed, lastMs, nowMs);
  return { ticks: [...(missed === 'skip' ? [] : late), ...onTime], lastMs: last };
}

/** A tick that is found from before and not from behind would be due for ever, were it not decided. */
function firstAfter(ticks: Ticks, missed: MissedTicks, lastMs: number, nowMs: number): Due | undefined {
  const first = ticks.after(lastMs);
  if (first === undefined || first > nowMs) return undefined;
  const isSkipped = missed === 'skip' && first <= nowMs - lateAfterMs;
  return { ticks: isSkipped ? [] : [first], lastMs: first };
}

/**
 * What of it is decided by one write: its earliest ticks, as many as surely fit into one with a payload of so many bytes. The others
 * are due then as they were before.
 */
export function firstOfDue(due: Due, payloadBytes: number): Due {
  const ticks = due.ticks.slice(0, Math.max(1, Math.floor(bytesTogether / (payloadBytes + largestRest))));
  const last = ticks.at(-1);
  return last === undefined || ticks.length === due.ticks.length ? due : { ticks, lastMs: last };
}

function mostMissed(missed: MissedTicks): number {
  return typeof missed === 'string' ? 1 : missed.atMost;
}
