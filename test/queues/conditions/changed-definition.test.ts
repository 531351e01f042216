import { afterEach, beforeEach, expect, it } from 'vitest';
import { MemoryServer } from '../../../src/memory/index.js';
import { LeaderMonitor } from '../../../src/queues/dispatch/leader-monitor.js';
import { ConditionQueue, equals, gate, size, Worker } from '../../../src/queues/index.js';
import { placeOf, QueueKeys } from '../../../src/queues/keys.js';
import { encodeBeat } from '../../../src/queues/records/index.js';
import { Client } from '../../../src/session/index.js';
import { put, txnOf } from '../../../src/store/index.js';
import { storeWith } from '../../support/store-with.js';

let server: MemoryServer;
let client: Client;
let keys: QueueKeys;

beforeEach(async () => {
  server = new MemoryServer();
  client = await Client.open({ store: server.connect(), namespace: 'ns', closeStore: true });
  keys = new QueueKeys(client.keys.prefix('queue', 'q'), 'condition');
});

afterEach(() => client.close());

it('an assignment that it refuses is planned by the new one, whether or not the watch tells of it', async () => {
  const queue = new ConditionQueue<string>(client, 'q', { tasks: { b: ['a'] } });
  await queue.enqueueMany(['a', 'x'], { each: (payload) => (payload === 'a' ? { task: 'a' } : {}) });
  const store = server.connect();
  let refusals = 0;
  let isStalled = false;
  let goOn = () => {};
  const stalled = new Promise<void>((resolve) => (goOn = resolve));
  const dispatching = await Client.open({
    store: storeWith(store, {
      txn: async (request, options) => {
        const putsRecord = `{"type":"put","key":"${keys.records.key}`;
        if (!JSON.stringify(request.success).includes(putsRecord)) return store.txn(request, options);
        if (!isStalled) {
          // The watch stands still from here on, and the definition changes just as the assignment leaves.
          isStalled = true;
          await new ConditionQueue<string>(client, 'q').define({ tasks: { b: ['a'], c: ['a'] } });
        }
        const reply = await store.txn(request, options);
        if (reply.replies.some((part) => part.type === 'txn' && !part.succeeded)) refusals += 1;
        return reply;
      },
      watch: (request) => {
        const watch = store.watch(request);
        if (request.key !== keys.watched.key) return watch;
        async function* slow() {
          for await (const batch of watch) {
            if (isStalled) await stalled;
            yield batch;
          }
        }
        return { close: () => watch.close(), [Symbol.asyncIterator]: slow };
      },
    }),
    namespace: 'ns',
    closeStore: true,
  });
  const handled: string[] = [];
  const worker = new Worker(new ConditionQueue<string>(dispatching, 'q'), (job) => {
    handled.push(job.payload);
  });
  await worker.start();
  await expect.poll(() => handled).toEqual(['a', 'x']);
  expect(refusals).toBe(1);
  goOn();
  await worker.close();
  await dispatching.close();
});

it('is news to the next candidate, while the dispatcher is silent', async () => {
  const queue = new ConditionQueue<string>(client, 'q', { when: gate('go', equals(true)) });
  await queue.enqueue('a');
  const { revision: seen } = await client.store.range({ key: keys.gate });
  const beat = { timeMs: 0, bases: { '': placeOf(0) }, follows: false, seen };
  await client.store.txn(txnOf({ success: [put(keys.beat, encodeBeat(beat))] }));
  let silences = 0;
  const monitor = new LeaderMonitor({ client, keys, patienceMs: 1, onSilence: () => (silences += 1) });
  for (let round = 0; round < 20; round += 1) await queue.size();
  expect(silences).toBe(0);
  await queue.define({ when: size(1) });
  await expect.poll(() => silences).toBe(1);
  monitor.close();
});
