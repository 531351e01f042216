/**
 * Ends a job from anywhere, wherever it is: waiting, in a worker's memory, or running.
 *
 * Read `i/X`, and where items may be delayed `N/X`: no item, nothing to cancel. Then `IF create(i/X) = c THEN delete i/X, delete g/X, delete P/X, [put R/X on a lease],
 * put x/X ELSE get i/X`. The deletion alone refuses the acknowledgement, the failure and the dead letter of whoever has it; so
 * of a cancellation and an acknowledgement exactly one is applied. `x/X` is for the dispatcher: it deletes it, and if a worker
 * has the job puts `a/<W>/x/X`, whereupon the worker fires the handler's signal and deletes that in turn.
 *
 * - *Reply lost*: the exactly-once store finds out, or the call rejects with the outcome `unknown`. Refused: the item has ended
 *   otherwise, and will not come back.
 * - *The item is delayed*: `IF create(N/X) = c THEN delete N/X, delete n/X, …` likewise. Refused: it has fired, and is looked for again.
 * - *No dispatcher*: the job is gone all the same; its worker is told once there is one, if it still runs.
 * - *The lease of the result is gone*: the request is refused as a whole; again with another.
 */
import { isQuorateError } from '../../errors.js';
import { TimeLeft, type WaitOptions, waitFor } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import { compare, get, type Op, put, remove, txnOf } from '../../store/index.js';
import type { ExpiringLeases } from '../expiring-leases.js';
import type { ItemId, QueueKeys } from '../keys.js';
import { findItem } from '../reading/item.js';
import { decodeItem } from '../records/index.js';
import { encodeResult } from './result-record.js';

/** Leases that are gone when they are used, one after another, before it is told. */
const mostRefusals = 3;

export interface CancellationParts {
  readonly client: Client;
  readonly keys: QueueKeys;
  readonly leases: ExpiringLeases;
  readonly id: ItemId;
  readonly reason: string;
}

/** True if this call ended the job, false if there was none. */
export async function cancelJob(parts: CancellationParts, options: WaitOptions): Promise<boolean> {
  const { client, keys, leases, id } = parts;
  const doing = `cancelling job ${id}`;
  const left = new TimeLeft(client.runtime, options, doing);
  for (let refusals = 0; ; ) {
    const item = await findItem(client.store, keys, id, left.all());
    if (item === undefined) return false;
    const isDelayed = item.key !== keys.item(id);
    // Others may share the lease: it is granted, whoever has given up.
    const limits = left.all();
    const result = await waitFor(client.runtime, resultOf(parts, item.value), limits, doing);
    const request = txnOf({
      compare: [compare.create(item.key, 'equal', item.createRevision)],
      success: [
        remove(item.key),
        ...(isDelayed ? [remove(keys.freshDelay(id))] : []),
        remove(keys.generation(id)),
        remove(keys.progressOf(id)),
        ...result,
        put(keys.cancellation(id), parts.reason),
      ],
      failure: [get(item.key, { keysOnly: true })],
    });
    try {
      const { succeeded } = await client.store.txn(request, left.all());
      if (succeeded || !isDelayed) return succeeded;
    } catch (error) {
      refusals += 1;
      if (!isQuorateError(error, 'lease-not-found') || refusals > mostRefusals) throw error;
      leases.forget();
    }
  }
}

async function resultOf({ keys, leases, id, reason }: CancellationParts, value: Uint8Array): Promise<Op[]> {
  const resultMs = resultMsOf(value);
  if (resultMs === undefined) return [];
  const lease = await leases.leaseFor(resultMs);
  return [put(keys.result(id), encodeResult({ status: 'cancelled', reason }), { lease })];
}

/** An item that cannot be read has asked for nothing. */
function resultMsOf(value: Uint8Array): number | undefined {
  try {
    return decodeItem(value).traits?.resultMs;
  } catch {
    return undefined;
  }
}
