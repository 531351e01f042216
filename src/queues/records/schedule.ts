import { decodeHeaded, encodeHeaded } from './headed.js';
import { checkedTraits, type ItemTraits } from './item.js';
import { malformed, wholeNumber } from './parsing.js';

/** A schedule as it is stored: what it was set to, and how far it has come. */
export interface ScheduleRecord {
  readonly rule: { readonly everyMs: number } | { readonly cron: string; readonly timezone: string };
  readonly missed: 'skip' | 'one' | { readonly atMost: number };
  readonly traits?: ItemTraits | undefined;
  readonly priority?: number | undefined;
  readonly delayMs: number;
  /** All ticks up to here are decided, in wall time. */
  readonly lastMs: number;
  /** By which clock reading they were; absent: they lie before it was set. */
  readonly decidedAtMs?: number | undefined;
  readonly payload: Uint8Array;
}

export function encodeSchedule({ payload, ...known }: ScheduleRecord): Uint8Array {
  return encodeHeaded(known, payload);
}

export function decodeSchedule(bytes: Uint8Array): ScheduleRecord {
  const { head, rest: payload } = decodeHeaded<Partial<ScheduleRecord>>('schedule', bytes);
  const { rule, missed, traits, priority, delayMs = 0, lastMs, decidedAtMs } = head;
  if (typeof rule !== 'object' || rule === null || missed === undefined) throw malformed('schedule');
  return {
    ...{ rule, missed, delayMs: wholeNumber(delayMs), lastMs: Number(lastMs) || 0, payload },
    ...(traits === undefined ? {} : { traits: checkedTraits(traits) }),
    ...(priority === undefined ? {} : { priority: wholeNumber(priority) }),
    ...(decidedAtMs === undefined ? {} : { decidedAtMs: Number(decidedAtMs) || 0 }),
  };
}
