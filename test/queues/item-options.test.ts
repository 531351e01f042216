import { expect, it } from 'vitest';
import { FifoQueue, type ItemOptions } from '../../src/queues/index.js';
import { testClients } from '../support/clients.js';
import { describeStores } from '../support/stores.js';

describeStores('options of items', (server) => {
  it('stand in the queue with the item', async () => {
    const client = await testClients(server).open();
    const queue = new FifoQueue<string>(client, 'q');
    const traits = { key: 'account-7', group: 'größe', attempts: 3, resultMs: 60_000 };
    const before = client.runtime.wallMs();
    const { id, revision } = await queue.enqueue('it', traits);
    const head = await queue.peek();
    expect(head).toMatchObject({ id, revision, payload: 'it', traits });
    expect(head?.enqueuedAtMs).toBeGreaterThanOrEqual(Math.floor(before));
    expect(await queue.oldestAgeMs()).toBeLessThan(10_000);
    await queue.purge();
    expect(await queue.peek()).toBeUndefined();
    expect(await queue.oldestAgeMs()).toBeUndefined();
    await queue.enqueueMany(['a', 'b'], { group: 'g' });
    expect((await queue.peek())?.traits).toEqual({ group: 'g' });
    await queue.purge();
    await queue.enqueueMany(['c', 'd'], { each: (payload, index) => ({ key: `${payload}${index}` }) });
    expect((await queue.peek())?.traits).toEqual({ key: 'c0' });
    await queue.purge();
    await queue.enqueue('plain');
    expect((await queue.peek())?.traits).toEqual({});
  });

  it('are refused, saying what is accepted, before anything is sent', async () => {
    const { client, counts } = await testClients(server).openCounted();
    const queue = new FifoQueue<string>(client, 'q');
    counts.reset();
    const wrong: [unknown, string][] = [
      [{ key: '' }, 'non-empty string'],
      [{ key: 7 }, 'non-empty string'],
      [{ group: 'x'.repeat(1_025) }, 'at most 1024 UTF-8 bytes'],
      [{ key: '"'.repeat(1_024), group: '\\'.repeat(1_024) }, 'at most 4096 bytes as JSON'],
      [{ attempts: 0 }, 'a whole number from 1'],
      [{ attempts: 1.5 }, 'a whole number from 1'],
      [{ resultMs: Number.POSITIVE_INFINITY }, 'a whole number from 1'],
      [{ resultMs: '5' }, 'a whole number from 1'],
    ];
    for (const [options, accepted] of wrong) {
      const failure = { code: 'invalid-argument', message: expect.stringContaining(accepted) };
      await expect(queue.enqueue('it', options as ItemOptions)).rejects.toMatchObject(failure);
      const each = () => options as ItemOptions;
      await expect(queue.enqueueMany(['it'], { each })).rejects.toMatchObject(failure);
    }
    const none = { each: (() => undefined) as unknown as () => ItemOptions };
    await expect(queue.enqueueMany(['it'], none)).rejects.toMatchObject({ code: 'invalid-argument' });
    const noFunction = { each: 7 as unknown as () => ItemOptions };
    await expect(queue.enqueueMany(['it'], noFunction)).rejects.toMatchObject({ code: 'invalid-argument' });
    expect(counts.total()).toBe(0);
  });
});
