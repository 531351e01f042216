import { expect, it, onTestFinished } from 'vitest';
import { Client } from '../../src/session/index.js';
import { describeStores, uniqueName } from '../support/stores.js';

describeStores(
  'a process that stood still',
  (server) => {
    it('SESSION-6 reads the acknowledgement that arrived meanwhile before it gives the session up', async () => {
      const store = await server.connect();
      let onSend: () => void = () => {};
      const keepAlive = store.leaseKeepAlive.bind(store);
      store.leaseKeepAlive = (...args) => {
        const reply = keepAlive(...args);
        onSend();
        return reply;
      };
      const namespace = uniqueName('session');
      const client = await Client.open({ store, namespace, ttlMs: 4_000 });
      onTestFinished(() => client.close());
      const session = await client.session();
      const stood = new Promise<boolean>((resolve) => {
        onSend = () => {
          // The request leaves first; its reply then comes to a process that does not run.
          setImmediate(() => {
            while (session.remainingMs > 0);
            resolve(session.isLive());
          });
        };
      });
      expect(await stood).toBe(false);
      onSend = () => {};
      expect(session.signal.aborted).toBe(false);
      await session.settled();
      expect(session.isLive()).toBe(true);
      expect(session.signal.aborted).toBe(false);
    });
  },
  ['etcd'],
);
