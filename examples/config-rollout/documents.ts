/** The documents of the example: they are changed together, and must fit together. */
import { ConfigDocument } from 'quorate/config';

export interface Batching {
  readonly size: number;
}

export interface Timeouts {
  readonly perBatchMs: number;
}

export const batching = new ConfigDocument<Batching>('batching');
export const timeouts = new ConfigDocument<Timeouts>('timeouts');
export const documents = [batching, timeouts];
export const configuration = 'web';

/** A batch gets ten milliseconds for each of its items, whatever its size is. */
export function fitTogether(batch: Batching | undefined, timeout: Timeouts | undefined): boolean {
  return batch !== undefined && timeout?.perBatchMs === 10 * batch.size;
}
