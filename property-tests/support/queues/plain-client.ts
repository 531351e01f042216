/** Clients with the library's own settings, as most programs have them. */
import { isQuorateError } from '../../../src/errors.js';
import { sleep } from '../../../src/runtime/index.js';
import { Client } from '../../../src/session/index.js';
import type { ProcessContext } from '../../../src/simulator/index.js';
import { type Key, Keyspace } from '../../../src/store/index.js';
import { abortMs, type OpenClientOptions } from '../open-client.js';

export const namespace = 'sim';
const retryMs = 300;

export function prefixOf(queueName: string): Key {
  return new Keyspace(namespace).prefix('queue', queueName);
}

/** The client of a process that has just started: however ill the cluster is, it tries until it has one. */
export async function openPlainClient(
  { runtime }: ProcessContext,
  { store, ttlMs, knobs }: OpenClientOptions,
): Promise<Client> {
  const { clockRateError } = knobs;
  for (;;) {
    try {
      return await Client.open({ store, runtime, namespace, ttlMs, abortMs, clockRateError });
    } catch (error) {
      if (!isQuorateError(error)) throw error;
      await sleep(runtime, retryMs);
    }
  }
}
