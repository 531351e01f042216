import { expect, it } from 'vitest';
import { MemoryServer } from '../../src/memory/index.js';
import { FifoQueue, PriorityQueue } from '../../src/queues/index.js';
import { FollowUps, followUp } from '../../src/queues/producer/follow-up.js';
import { Client } from '../../src/session/index.js';
import type { TxnRequest } from '../../src/store/index.js';
import { hookedStore } from '../support/hooked-store.js';

it('QUEUE-19 follow-ups read once what lets them into a queue, however many of its levels they enter', async () => {
  const server = new MemoryServer();
  const hooked = hookedStore(server.connect());
  const client = await Client.open({ store: hooked.store, namespace: 'ns' });
  const queue = new PriorityQueue<number>(client, 'q');
  const other = new FifoQueue<number>(client, 'other');
  const followUps = new FollowUps(client);
  const prepared = await followUps.prepare([
    followUp(queue, 1, { priority: 5 }),
    followUp(other, 2),
    followUp(queue, 3, { priority: 0 }),
    followUp(queue, 4, { priority: 5 }),
  ]);
  const reads: TxnRequest[] = [];
  hooked.hook = (request, send) => {
    if (request.success.every(({ type }) => type === 'range')) reads.push(request);
    return send();
  };
  await followUps.admit(prepared, {});
  expect(reads.map(({ success }) => success.length)).toEqual([2]);
  const { ids, compare, puts, failure } = await followUps.admit(prepared, {});
  expect(reads).toHaveLength(2);
  expect(ids.map((id) => id.slice(0, 3))).toEqual(['05/', ids[1]?.slice(0, 3), '00/', '05/']);
  expect([ids[0], ids[3]]).toEqual([ids[0], ids[3]].sort());
  // Of each queue its control, of each level its gate.
  expect(compare).toHaveLength(5);
  expect(failure).toHaveLength(3);
  expect(puts).toHaveLength(4);
  await client.close();
  await server.close();
});
