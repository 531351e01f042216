import { onTestFinished } from 'vitest';
import type { MemoryServer } from '../../src/memory/index.js';
import { Client } from '../../src/session/index.js';
import type { Store } from '../../src/store/index.js';
import { ManualRuntime, settle } from './manual-runtime.js';
import { storeWith } from './store-with.js';

export interface StallingClient {
  readonly client: Client;
  /**
   * The process stands still past the deadline of its session, with a keep-alive under way. `survives`: the reply to that is in
   * the socket, and read as a turn is let pass; else it never comes. No timer fires any more.
   */
  standStill(survives: boolean): void;
}

/** A client that has a session, of a process whose clocks and timers are its own. `through`: what else its store does. */
export async function openStallingClient(
  server: MemoryServer,
  through: (store: Store) => Store = (store) => store,
): Promise<StallingClient> {
  const runtime = new ManualRuntime();
  const inner = server.connect();
  let answer = () => {};
  const answered = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const store = storeWith(through(inner), {
    leaseKeepAlive: async (id, options) => {
      const ttlSeconds = await inner.leaseKeepAlive(id, options);
      await answered;
      return ttlSeconds;
    },
  });
  const client = await Client.open({ store, namespace: 'n', runtime, ttlMs: 10_000 });
  onTestFinished(() => client.close());
  await client.session();
  // A keep-alive leaves at each third of the TTL. The deadline, of 9.5 s, counts from the last one that was acknowledged.
  await runtime.advance(3_500);
  const standStill = (survives: boolean) => {
    runtime.pause();
    runtime.pass(6_300);
    runtime.nextTurn = async () => {
      await settle();
      if (survives) answer();
      await settle();
    };
  };
  return { client, standStill };
}
