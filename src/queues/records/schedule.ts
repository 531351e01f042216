import { checkedTraits, type ItemTraits } from './item.js';
import { malformed, parsed, wholeNumber } from './parsing.js';

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

/** A length of four bytes, what is known in JSON, and the payload. */
export function encodeSchedule({ payload, ...known }: ScheduleRecord): Uint8Array {
  const head = Buffer.from(JSON.stringify(known));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(head.length);
  return Buffer.concat([length, head, payload]);
}

export function decodeSchedule(bytes: Uint8Array): ScheduleRecord {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.length < 4) throw malformed('schedule');
  const end = 4 + buffer.readUInt32BE(0);
  const known = parsed(
    'schedule',
    () => JSON.parse(buffer.toString('utf8', 4, end)) as Partial<ScheduleRecord>,
  );
  const { rule, missed, traits, priority, delayMs = 0, lastMs, decidedAtMs } = known;
  if (typeof rule !== 'object' || rule === null || missed === undefined) throw malformed('schedule');
  return {
    ...{
      rule,
      missed,
      delayMs: wholeNumber(delayMs),
      lastMs: Number(lastMs) || 0,
      payload: bytes.subarray(end),
    },
    ...(traits === undefined ? {} : { traits: checkedTraits(traits) }),
    ...(priority === undefined ? {} : { priority: wholeNumber(priority) }),
    ...(decidedAtMs === undefined ? {} : { decidedAtMs: Number(decidedAtMs) || 0 }),
  };
}
