import { onTestFinished } from 'vitest';
import { Client, type ClientOptions } from '../../src/session/index.js';
import type { Store } from '../../src/store/index.js';
import { type CallCounts, countingStore } from './counting-store.js';
import { type TestServer, uniqueName } from './stores.js';

/** Clients as of separate processes, in one namespace of their own; all are closed when the test ends. */
export interface TestClients {
  readonly namespace: string;
  open(options?: Partial<ClientOptions>): Promise<Client>;
  openCounted(options?: Partial<ClientOptions>): Promise<{ client: Client; counts: CallCounts }>;
}

export function testClients(server: TestServer): TestClients {
  const namespace = uniqueName('ns');
  const opened: Client[] = [];
  onTestFinished(async () => {
    await Promise.all(opened.map((client) => client.close()));
  });
  const openOn = async (store: Store, options: Partial<ClientOptions>) => {
    const client = await Client.open({ store, namespace, closeStore: true, ...options });
    opened.push(client);
    return client;
  };
  return {
    namespace,
    open: async (options = {}) => openOn(await server.connect(), options),
    openCounted: async (options = {}) => {
      const { store, counts } = countingStore(await server.connect());
      return { client: await openOn(store, options), counts };
    },
  };
}
