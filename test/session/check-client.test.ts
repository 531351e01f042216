import { describe, expect, it } from 'vitest';
import * as quorate from '../../src/index.js';
import { Client } from '../../src/index.js';
import { MemoryServer } from '../../src/memory/index.js';

const documents = { documents: [], author: 'ada' };

/** All that is made with a client. */
const made: readonly (readonly [string, (client: Client) => unknown])[] = [
  ['Mutex', (client) => new quorate.Mutex(client, 'n')],
  ['ReadWriteLock', (client) => new quorate.ReadWriteLock(client, 'n')],
  ['Semaphore', (client) => new quorate.Semaphore(client, 'n', { limit: 1 })],
  ['MultiLock', (client) => new quorate.MultiLock(client, ['n'])],
  ['findDeadlocks', (client) => quorate.findDeadlocks(client)],
  ['Election', (client) => new quorate.Election(client, 'n')],
  ['FifoQueue', (client) => new quorate.FifoQueue(client, 'n')],
  ['PriorityQueue', (client) => new quorate.PriorityQueue(client, 'n')],
  ['DelayQueue', (client) => new quorate.DelayQueue(client, 'n')],
  ['ConditionQueue', (client) => new quorate.ConditionQueue(client, 'n')],
  ['Barrier', (client) => new quorate.Barrier(client, 'n')],
  ['CountDownLatch', (client) => new quorate.CountDownLatch(client, 'n', { count: 1 })],
  ['DoubleBarrier', (client) => new quorate.DoubleBarrier(client, 'n', { size: 2 })],
  ['CyclicBarrier', (client) => new quorate.CyclicBarrier(client, 'n', { parties: 2 })],
  ['Phaser', (client) => new quorate.Phaser(client, 'n')],
  ['AtomicValue', (client) => new quorate.AtomicValue(client, 'n')],
  ['Counter', (client) => new quorate.Counter(client, 'n')],
  ['IdAllocator', (client) => new quorate.IdAllocator(client, 'n')],
  ['atomically', (client) => quorate.atomically(client, () => 1)],
  ['Channel', (client) => new quorate.Channel(client, 'n')],
  ['ChannelPattern', (client) => new quorate.ChannelPattern(client, 'n')],
  ['Topic', (client) => new quorate.Topic(client, 'n')],
  ['ConfigEditor', (client) => new quorate.ConfigEditor(client, 'n', documents)],
  ['Config', (client) => quorate.Config.open(client, 'n', { documents: [] })],
  ['ReplicatedMap', (client) => quorate.ReplicatedMap.open(client, 'n')],
];

describe.each(made)('%s', (_, make) => {
  it('says what it was given in the place of a client', async () => {
    const store = new MemoryServer().connect();
    const client = Client.open({ store, closeStore: true });
    const wrong: readonly (readonly [unknown, RegExp])[] = [
      [undefined, /the client is undefined/],
      [null, /the client is null/],
      ['n', /the client is "n"/],
      [store, /of the client, keys is undefined/],
      [client, /the client is a promise/],
    ];
    for (const [given, expected] of wrong) {
      const asked = (async () => make(given as Client))();
      await expect(asked).rejects.toMatchObject({
        ...{ code: 'invalid-argument', message: expect.stringMatching(expected) },
      });
      await expect(asked).rejects.toThrow(/accepted: a Client, which Client.open resolves to/);
    }
    await (await client).close();
  });
});
