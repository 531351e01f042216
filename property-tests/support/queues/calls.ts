/** Calls of those who go on whatever becomes of them. */
import { isQuorateError } from '../../../src/errors.js';

/** An operator's call is waited for so long. */
export const callMs = 3_000;
/** A producer's call is. */
export const patienceMs = 20_000;

/** What a network does to a call is no contradiction. */
export async function quietly(call: () => Promise<unknown>): Promise<void> {
  try {
    await call();
  } catch (error) {
    if (!isQuorateError(error) || error.code === 'internal' || error.code === 'invalid-argument') throw error;
  }
}
