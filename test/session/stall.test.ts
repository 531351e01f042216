import { expect, it, onTestFinished } from 'vitest';
import { Client } from '../../src/session/index.js';
import { describeStores, uniqueName } from '../support/stores.js';

describeStores(
  'a process that stood still',
  (server) => {
    it('SESSION-6 reads the acknowledgement that arrived meanwhile before it gives the session up', async () => {
      const store = await server.connect();
      let onSend: (reply: Promise<unknown>) => void = () => {};
      const keepAlive = store.leaseKeepAlive.bind(store);
      store.leaseKeepAlive = (...args) => {
        const reply = keepAlive(...args);
        onSend(reply);
        return reply;
      };
      const namespace = uniqueName('session');
      const client = await Client.open({ store, namespace, ttlMs: 4_000 });
      onTestFinished(() => client.close());
      const session = await client.session();
      const stood = new Promise<boolean>((resolve) => {
        onSend = (reply) => {
          let isAnswered = false;
          reply.finally(() => {
            isAnswered = true;
          });
          // The request leaves first; its reply then comes to a process that does not run. One that was faster is none such.
          setImmediate(() => {
            if (isAnswered) return;
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
  ['etcd', 'etcd over grpc-js'],
);
