/** What the values under a queue's keys look like. Anything else found there is refused with `codec`. */
import { QuorateError } from '../errors.js';
import { bytesOf, textOf } from '../store/index.js';
import type { ItemId } from './keys.js';

/** Larger payloads are not copied into assignment records; the worker reads them from the items. */
export const longestInlinePayloadBytes = 1_024;

/** First byte of an item: nothing but the payload follows. Other values are for items that carry more. */
const plainItem = 0;

export function encodeItem(payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(payload.length + 1);
  bytes[0] = plainItem;
  bytes.set(payload, 1);
  return bytes;
}

export function decodeItem(bytes: Uint8Array): Uint8Array {
  if (bytes[0] !== plainItem) throw malformed('item');
  return bytes.subarray(1);
}

/** One job in an assignment record. */
export interface AssignedJob {
  readonly id: ItemId;
  /** Create revision of the item. */
  readonly create: number;
  /** How often it was taken back before: the version of its generation key, 0 if there is none. */
  readonly generation: number;
  /** How often its handler failed before. */
  readonly failures: number;
  /** Absent if it is long. */
  readonly payload?: Uint8Array | undefined;
}

/** A length of four bytes, a table in JSON, the payloads one after another: payloads are neither escaped nor widened. */
export function encodeRecord(jobs: readonly AssignedJob[]): Uint8Array {
  const table = Buffer.from(
    JSON.stringify(
      jobs.map((job) => [job.id, job.create, job.generation, job.failures, job.payload?.length ?? -1]),
    ),
  );
  const length = Buffer.alloc(4);
  length.writeUInt32BE(table.length);
  return Buffer.concat([length, table, ...jobs.flatMap((job) => (job.payload ? [job.payload] : []))]);
}

export function decodeRecord(bytes: Uint8Array): AssignedJob[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const rows = parsed('assignment record', () => {
    const end = 4 + buffer.readUInt32BE(0);
    return { rows: JSON.parse(buffer.toString('utf8', 4, end)) as unknown, end };
  });
  if (!Array.isArray(rows.rows)) throw malformed('assignment record');
  let offset = rows.end;
  return rows.rows.map((row: unknown) => {
    if (!Array.isArray(row) || typeof row[0] !== 'string') throw malformed('assignment record');
    const [create, generation, failures, length] = row.slice(1).map(wholeNumber) as [
      number,
      number,
      number,
      number,
    ];
    const job = { id: row[0], create, generation, failures };
    if (length < 0) return job;
    offset += length;
    if (offset > bytes.length) throw malformed('assignment record');
    return { ...job, payload: bytes.subarray(offset - length, offset) };
  });
}

/** Why an item was taken back from a worker. */
export type TakeBackReason = 'failed' | 'returned' | 'worker-lost';

export interface TakeBack {
  readonly failures: number;
  readonly reason: TakeBackReason;
  /** Milliseconds, counted by the dispatcher from when it learns of this, before the item is given out again. */
  readonly delayMs: number;
}

/** What is written when a worker was lost: its process may have died of the job, but nothing says so. */
export function lossOf({ failures }: AssignedJob): TakeBack {
  return { failures, reason: 'worker-lost', delayMs: 0 };
}

export function encodeTakeBack(takeBack: TakeBack): Uint8Array {
  return bytesOf(JSON.stringify(takeBack));
}

export function decodeTakeBack(bytes: Uint8Array): TakeBack {
  const value = parsed('generation', () => JSON.parse(textOf(bytes)) as Partial<TakeBack>);
  return {
    failures: wholeNumber(value.failures),
    reason: value.reason === 'failed' || value.reason === 'returned' ? value.reason : 'worker-lost',
    delayMs: Math.max(0, Number(value.delayMs) || 0),
  };
}

/** What a worker says of itself. Changes only to say that it takes no more jobs. */
export interface Presence {
  /** How many jobs it accepts at a time, running and waiting in its memory. 0: none any more. */
  readonly slots: number;
  /** For people. */
  readonly label: string;
}

export function encodePresence(presence: Presence): Uint8Array {
  return bytesOf(JSON.stringify(presence));
}

export function decodePresence(bytes: Uint8Array): Presence {
  const value = parsed('presence', () => JSON.parse(textOf(bytes)) as Partial<Presence>);
  return { slots: Math.max(0, wholeNumber(value.slots)), label: String(value.label ?? '') };
}

export interface Beat {
  /** Queue time in ms: runs while there is a dispatcher, and goes on across terms. */
  readonly timeMs: number;
  /** No item below it exists, as of the dispatcher's view at `seen`, unless it was created above the gate since. */
  readonly base: ItemId | undefined;
  /** Jobs wait for a worker or for their delay, or many come in: expect another beat soon. */
  readonly follows: boolean;
  /** Revision up to which the dispatcher knows the items. */
  readonly seen: number;
}

export function encodeBeat(beat: Beat): Uint8Array {
  return bytesOf(JSON.stringify(beat));
}

export function decodeBeat(bytes: Uint8Array): Beat {
  const value = parsed('beat', () => JSON.parse(textOf(bytes)) as Partial<Beat>);
  return {
    timeMs: Number(value.timeMs) || 0,
    base: typeof value.base === 'string' ? value.base : undefined,
    follows: value.follows === true,
    seen: wholeNumber(value.seen),
  };
}

function parsed<T>(what: string, parse: () => T): T {
  try {
    const value = parse();
    if (typeof value === 'object' && value !== null) return value;
  } catch (error) {
    throw malformed(what, error);
  }
  throw malformed(what);
}

function wholeNumber(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw malformed('value under a queue key');
  return value;
}

function malformed(what: string, cause?: unknown): QuorateError {
  return new QuorateError('codec', `malformed ${what}: was it written by another program?`, { cause });
}
