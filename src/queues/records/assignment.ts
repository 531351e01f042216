import type { ItemId } from '../keys.js';
import { decodeHeaded, encodeHeaded } from './headed.js';
import { checkedTraits, type ItemTraits } from './item.js';
import { malformed, wholeNumber } from './parsing.js';

/** Larger payloads are not copied into assignment records; the worker reads them from the items. */
export const longestInlinePayloadBytes = 1_024;

/** One job in an assignment record. */
export interface AssignedJob {
  readonly id: ItemId;
  /** Create revision of the item. */
  readonly create: number;
  /** How often it was taken back before: the version of its generation key, 0 if there is none. */
  readonly generation: number;
  /** How often its handler failed before. */
  readonly failures: number;
  /** How often a worker was lost that held it. */
  readonly losses: number;
  readonly traits?: ItemTraits | undefined;
  /** Absent if it is long. */
  readonly payload?: Uint8Array | undefined;
}

/** A row of a table for each job, and then the payloads one after another. */
export function encodeRecord(jobs: readonly AssignedJob[]): Uint8Array {
  return encodeHeaded(jobs.map(rowOf), ...jobs.flatMap((job) => (job.payload ? [job.payload] : [])));
}

export function decodeRecord(bytes: Uint8Array): AssignedJob[] {
  const { head: rows, rest } = decodeHeaded<object>('assignment record', bytes);
  if (!Array.isArray(rows)) throw malformed('assignment record');
  let offset = 0;
  return rows.map((row: unknown) => {
    const { job, length } = jobOf(row);
    if (length < 0) return job;
    offset += length;
    if (offset > rest.length) throw malformed('assignment record');
    return { ...job, payload: rest.subarray(offset - length, offset) };
  });
}

/** What most jobs have none of is left out at the end. */
function rowOf({ id, create, generation, failures, losses, traits, payload }: AssignedJob): unknown[] {
  const row: unknown[] = [id, create, generation, failures, payload?.length ?? -1];
  if (losses > 0 || traits !== undefined) row.push(losses);
  if (traits !== undefined) row.push(traits);
  return row;
}

function jobOf(row: unknown): { job: AssignedJob; length: number } {
  if (!Array.isArray(row) || typeof row[0] !== 'string') throw malformed('assignment record');
  const [create, generation, failures, length] = row.slice(1, 5).map(wholeNumber);
  if (length === undefined) throw malformed('assignment record');
  const traits: unknown = row[6];
  const job = {
    id: row[0],
    ...{ create: create ?? 0, generation: generation ?? 0, failures: failures ?? 0 },
    losses: row[5] === undefined ? 0 : wholeNumber(row[5]),
    ...(typeof traits === 'object' && traits !== null ? { traits: checkedTraits(traits) } : {}),
  };
  return { job, length };
}
