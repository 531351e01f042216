import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { type Hold, Mutex } from '../../src/locks/index.js';
import { MultiLock } from '../../src/locks/multi-lock.js';
import type { Client } from '../../src/session/index.js';
import { prefixRange, remove } from '../../src/store/index.js';
import { testClients } from '../support/clients.js';
import type { CallCounts } from '../support/counting-store.js';
import { describeStores } from '../support/stores.js';

const crowd = 5;

/** The revision at which its place was taken: it is guarded by that, as long as nobody hands it on. */
function placeOf(hold: Hold): number {
  const guard = hold.guard();
  if (guard.target !== 'mod') throw new Error('a place is guarded by its revision');
  return guard.operand;
}

describeStores('turns granted by name', (server) => {
  async function contenders(count = crowd) {
    // No look that comes about once a TTL, and no session that a slow machine loses, is to have a part in it.
    const ttlMs = 60_000;
    const clients = testClients(server);
    const opened: { client: Client; counts: CallCounts; mutex: Mutex }[] = [];
    for (let index = 0; index < count; index += 1) {
      const { client, counts } = await clients.openCounted({ label: `c${index}`, ttlMs });
      opened.push({ client, counts, mutex: new Mutex(client, 'm') });
    }
    const [first] = opened as [(typeof opened)[number]];
    const sentinel = `${first.client.keys.prefix('lock', 'm')}s`;
    const line = prefixRange(`${first.client.keys.prefix('lock', 'm')}l/`);
    const waitFor = async (waiting: number) => {
      await expect.poll(async () => (await first.mutex.inspect()).waiting.length).toBe(waiting);
    };
    /** Everybody in turn, each queueing again as it leaves, so often. */
    const takeTurns = async (turns: number) => {
      const order: number[] = [];
      /** The revisions that the places were taken at, in the order of the turns. */
      const places: number[] = [];
      let left = turns;
      await Promise.all(
        opened.map(async ({ mutex }, index) => {
          while (left > 0) {
            left -= 1;
            const hold = await mutex.acquire();
            order.push(index);
            places.push(placeOf(hold));
            await delay(2);
            await hold.release();
          }
        }),
      );
      return { order, places };
    };
    return { opened, first, sentinel, line, waitFor, takeTurns };
  }

  it('LOCK-7 go round in the order of the places, and leave no sentinel and no place behind', async () => {
    const { first, sentinel, line, takeTurns } = await contenders();
    const { order, places } = await takeTurns(40);
    expect(order.length).toBeGreaterThanOrEqual(40);
    expect(places).toEqual([...places].sort((one, other) => one - other));
    expect(new Set(order).size).toBe(crowd);
    const { kvs } = await first.client.store.range(line);
    expect(kvs).toEqual([]);
    expect((await first.client.store.range({ key: sentinel })).kvs).toEqual([]);
  });

  it('LOCK-3 wake only the next: watches of the whole line are closed while there is a sentinel', async () => {
    const { opened, takeTurns } = await contenders();
    await takeTurns(20);
    const before = opened.map(({ counts }) => counts.calls.range);
    const { order } = await takeTurns(60);
    const reads = opened.reduce((sum, { counts }, at) => sum + counts.calls.range - (before[at] ?? 0), 0);
    // One who holds looks up those behind it, and each of them tells the rest: far less than a look a turn.
    expect(reads).toBeLessThan(order.length);
  });

  it('go on at once where a holder dies that was granted its turn', async () => {
    const { opened, first, sentinel, waitFor } = await contenders();
    const turns: Promise<Hold>[] = [];
    const hold = await first.mutex.acquire();
    for (const [at, { mutex }] of opened.slice(1).entries()) {
      turns.push(mutex.acquire());
      await waitFor(at + 1);
    }
    await hold.release();
    const again = first.mutex.acquire();
    await (await (turns[0] as Promise<Hold>)).release();
    const second = await (turns[1] as Promise<Hold>);
    // It waited for two, so it looks who is behind it, and its release grants the turn by name.
    await second.release();
    const third = await (turns[2] as Promise<Hold>);
    expect((await first.client.store.range({ key: sentinel })).kvs).toHaveLength(1);
    await (await opened[3]?.client.session())?.close();
    expect(third.signal.aborted).toBe(true);
    const fourth = await (turns[3] as Promise<Hold>);
    expect(fourth.token).toBeGreaterThan(third.token);
    await fourth.release();
    await (await again).release();
  });

  it('LOCK-6 go on long before a TTL where somebody deletes the place of a holder that was granted its turn', async () => {
    const { opened, first, sentinel, waitFor } = await contenders(4);
    const turns: Promise<Hold>[] = [];
    const hold = await first.mutex.acquire();
    for (const [at, { mutex }] of opened.slice(1).entries()) {
      turns.push(mutex.acquire());
      await waitFor(at + 1);
    }
    await hold.release();
    for (const turn of turns.slice(0, -1)) await (await turn).release();
    const granted = await (turns.at(-1) as Promise<Hold>);
    expect((await first.client.store.range({ key: sentinel })).kvs).toHaveLength(1);
    // From now on who comes is told of nothing but its turn, and the end of the guard.
    const waiting = first.mutex.acquire({ timeoutMs: 15_000 });
    await waitFor(1);
    // The reads that stand by for a fresh watch are over then.
    await delay(150);
    const { key } = granted.guard();
    await first.client.store.txn({ compare: [], success: [remove(key)], failure: [] });
    const next = await waiting;
    expect(next.token).toBeGreaterThan(granted.token);
    expect(granted.signal.reason).toMatchObject({ code: 'hold-lost' });
    await Promise.all([granted.release(), next.release()]);
    expect((await first.client.store.range({ key: sentinel })).kvs).toEqual([]);
  });

  it('pass over one who has given up, and end with who is not of such a line', async () => {
    const { opened, first, waitFor } = await contenders();
    const order: string[] = [];
    const hold = await first.mutex.acquire();
    const impatience = new AbortController();
    const given = new Promise((resolve) => impatience.signal.addEventListener('abort', resolve));
    const waits: Promise<void>[] = [];
    const queue = async (name: string, hold: Promise<{ release(): Promise<void> }>) => {
      waits.push(
        hold.then(
          async (got) => {
            order.push(name);
            await given;
            await got.release();
          },
          () => {},
        ),
      );
      await waitFor(waits.length);
    };
    await queue('b', (opened[1] as { mutex: Mutex }).mutex.acquire());
    await queue('c', (opened[2] as { mutex: Mutex }).mutex.acquire());
    await queue('d', (opened[3] as { mutex: Mutex }).mutex.acquire({ signal: impatience.signal }));
    const { client } = opened[4] as { client: Client };
    await queue('set', new MultiLock(client, ['m', 'other']).acquire());
    await queue('e', new Mutex(client, 'm').acquire());
    await hold.release();
    await expect.poll(() => order.length).toBeGreaterThan(0);
    impatience.abort();
    await Promise.all(waits);
    expect(order).toEqual(['b', 'c', 'set', 'e']);
  });
});
