import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { CyclicBarrierOptions } from '../../../src/barriers/cyclic/options.js';
import { CyclicBarrier } from '../../../src/barriers/cyclic-barrier.js';
import type { Client } from '../../../src/session/index.js';
import { prefixRange, put, textOf } from '../../../src/store/index.js';
import { type TestClients, testClients } from '../../support/clients.js';
import { describeStores } from '../../support/stores.js';

interface Party {
  readonly client: Client;
  readonly barrier: CyclicBarrier;
}

async function parties(
  clients: TestClients,
  count: number,
  options: Partial<CyclicBarrierOptions> = {},
): Promise<readonly Party[]> {
  const opened: Party[] = [];
  for (let index = 0; index < count; index += 1) {
    const client = await clients.open({ label: `party ${index}`, ttlMs: 60_000 });
    opened.push({ client, barrier: new CyclicBarrier(client, 'b', { parties: count, ...options }) });
  }
  return opened;
}

async function untilArrived({ barrier }: Party, count: number): Promise<void> {
  await expect.poll(async () => (await barrier.inspect()).arrived.length).toBe(count);
}

async function keysOf(client: Client): Promise<readonly string[]> {
  const prefix = client.keys.prefix('cyclic-barrier', 'b');
  const { kvs } = await client.store.range(prefixRange(prefix));
  return kvs.map(({ key }) => key.slice(prefix.length));
}

/** What it comes to, as a word: it must not be left to nobody while others are looked at. */
function told(waiting: Promise<{ readonly generation: number }>): Promise<unknown> {
  return waiting.then(
    ({ generation }) => `passed ${generation}`,
    (error: { code: string; details: { reason?: string } }) =>
      error.code === 'barrier-broken' ? error.details.reason : error.code,
  );
}

/** What is told of an arrival whose client is closed: the latter, where it has not heard yet that it has arrived. */
const whoCloses = ['session-lost', 'closed'];

describeStores('CyclicBarrier', (server) => {
  it('CYCLIC-1 lets all go once the last has come, generation by generation', async () => {
    const all = await parties(testClients(server), 3);
    const [first, second, third] = all as [Party, Party, Party];
    const waits = [told(first.barrier.arriveAndAwait()), told(second.barrier.arriveAndAwait())];
    await untilArrived(first, 2);
    expect(await Promise.race([...waits, delay(60, 'waits')])).toBe('waits');
    expect(await third.barrier.arriveAndAwait()).toEqual({ generation: 0, ranAction: false });
    expect(await Promise.all(waits)).toEqual(['passed 0', 'passed 0']);
    for (let generation = 1; generation < 20; generation += 1) {
      const passed = await Promise.all(all.map(({ barrier }) => told(barrier.arriveAndAwait())));
      expect(passed).toEqual(Array(3).fill(`passed ${generation}`));
    }
  });

  it('costs one request to arrive, and one more, or two with an action, to end a generation', async () => {
    const clients = testClients(server);
    const counted = await clients.openCounted();
    const [other] = (await parties(clients, 1, { parties: 2, action: () => {} })) as [Party];
    const options = { parties: 2, action: () => {} };
    const barrier = new CyclicBarrier(counted.client, 'b', options);
    const waiting = barrier.arriveAndAwait();
    await untilArrived(other, 1);
    await other.barrier.arriveAndAwait();
    await waiting;
    counted.counts.reset();
    const again = barrier.arriveAndAwait();
    await untilArrived(other, 1);
    expect(counted.counts.calls.txn).toBe(1);
    await other.barrier.arriveAndAwait();
    expect((await again).ranAction).toBe(false);
    expect(counted.counts.total()).toBe(1);
    const late = other.barrier.arriveAndAwait();
    await untilArrived(other, 1);
    counted.counts.reset();
    expect((await barrier.arriveAndAwait()).ranAction).toBe(true);
    expect(counted.counts.total()).toBe(3);
    await late;
  });

  it('CYCLIC-3 runs the action once, by one of those who arrived, before anybody goes on', async () => {
    const log: string[] = [];
    const action = async () => {
      log.push('begins');
      await delay(30);
      log.push('ends');
    };
    const all = await parties(testClients(server), 4, { action });
    for (let generation = 0; generation < 3; generation += 1) {
      const passed = await Promise.all(
        all.map(async ({ barrier }) => {
          const { ranAction } = await barrier.arriveAndAwait();
          log.push('passes');
          return ranAction;
        }),
      );
      expect(passed.filter((ranAction) => ranAction)).toHaveLength(1);
      expect(log.splice(0)).toEqual(['begins', 'ends', 'passes', 'passes', 'passes', 'passes']);
    }
  });

  it('CYCLIC-4 an action that throws breaks the generation for all, and the barrier until it is reset', async () => {
    let fails = true;
    const action = () => {
      if (fails) throw new RangeError('no disk');
    };
    const all = await parties(testClients(server), 2, { action });
    const [first, second] = all as [Party, Party];
    const waiting = first.barrier.arriveAndAwait().catch((error: unknown) => error);
    await untilArrived(first, 1);
    const own = await second.barrier.arriveAndAwait().catch((error: unknown) => error);
    expect(own).toMatchObject({ code: 'barrier-broken', cause: { message: 'no disk' } });
    const details = { generation: 0, reason: 'action-failed', by: 'party 1', message: 'no disk' };
    expect(await waiting).toMatchObject({ code: 'barrier-broken', details });
    await expect(first.barrier.arriveAndAwait()).rejects.toMatchObject({ code: 'barrier-broken' });
    fails = false;
    await second.barrier.reset();
    const passed = await Promise.all(all.map(({ barrier }) => told(barrier.arriveAndAwait())));
    expect(passed).toEqual(['passed 1', 'passed 1']);
  });

  it('what an action writes under its guard is refused once its claim is lost', async () => {
    const clients = testClients(server);
    const key = `${clients.namespace}/x`;
    const seen: boolean[] = [];
    const all = await parties(clients, 2, {
      action: async ({ guard, signal }) => {
        const [{ client, barrier }] = all as [Party];
        const write = (value: string) =>
          client.store.txn({ compare: [guard()], success: [put(key, value)], failure: [] });
        seen.push((await write('in time')).succeeded);
        await barrier.reset();
        // Told by the event, like those who wait.
        await expect.poll(() => signal.aborted).toBe(true);
        seen.push(signal.aborted);
        seen.push((await write('too late')).succeeded);
      },
    });
    const waits = await Promise.all(all.map(({ barrier }) => told(barrier.arriveAndAwait())));
    expect(waits).toEqual(['reset', 'reset']);
    const [{ client }] = all as [Party];
    await expect.poll(() => seen).toEqual([true, true, false]);
    const [kv] = (await client.store.range({ key })).kvs;
    expect(kv && textOf(kv.value)).toBe('in time');
  });

  it('CYCLIC-1 who comes when all are there is of the next generation, without another request', async () => {
    const clients = testClients(server);
    let open = () => {};
    const opened = new Promise<void>((resolve) => {
      open = resolve;
    });
    const all = await parties(clients, 4, { parties: 2, action: () => opened });
    const [first, second, third, fourth] = all as [Party, Party, Party, Party];
    const early = [first, second].map(({ barrier }) => told(barrier.arriveAndAwait()));
    await untilArrived(first, 2);
    const late = told(third.barrier.arriveAndAwait());
    await untilArrived(first, 3);
    open();
    expect(await Promise.all(early)).toEqual(['passed 0', 'passed 0']);
    expect((await first.barrier.inspect()).arrived).toEqual(['party 2']);
    expect(await told(fourth.barrier.arriveAndAwait())).toBe('passed 1');
    expect(await late).toBe('passed 1');
  });

  it('several callers of one object are as many members', async () => {
    const [one] = (await parties(testClients(server), 1, { parties: 3 })) as [Party];
    for (let generation = 0; generation < 3; generation += 1) {
      const waits = [1, 2, 3].map(() => told(one.barrier.arriveAndAwait()));
      expect(await Promise.all(waits)).toEqual(Array(3).fill(`passed ${generation}`));
    }
    expect((await one.barrier.inspect()).members).toBe(3);
  });

  it('CYCLIC-4 by default, a member that dies breaks the generation, be it that it waits or not', async () => {
    const clients = testClients(server);
    const [first, second, third] = (await parties(clients, 3)) as [Party, Party, Party];
    const once = [first, second, third].map(({ barrier }) => told(barrier.arriveAndAwait()));
    expect(await Promise.all(once)).toEqual(Array(3).fill('passed 0'));
    const waits = [first, second].map(({ barrier }) => told(barrier.arriveAndAwait()));
    await untilArrived(first, 2);
    await third.client.close();
    expect(await Promise.all(waits)).toEqual(['member-lost', 'member-lost']);
    expect((await first.barrier.inspect()).broken?.reason).toBe('member-lost');
    await first.barrier.reset();
    const waiting = told(first.barrier.arriveAndAwait());
    const [other] = (await parties(clients, 1, { parties: 3 })) as [Party];
    const dying = told(other.barrier.arriveAndAwait());
    await untilArrived(first, 2);
    await other.client.close();
    expect(whoCloses).toContain(await dying);
    expect(await waiting).toBe('member-lost');
  });

  it('CYCLIC-4 with wait, the others wait for somebody else in the place of the dead', async () => {
    const clients = testClients(server);
    const options = { deadMembers: 'wait' } as const;
    const [first, second, third] = (await parties(clients, 3, options)) as [Party, Party, Party];
    const waits = [first, second].map(({ barrier }) => told(barrier.arriveAndAwait()));
    await untilArrived(first, 2);
    await second.client.close();
    await untilArrived(first, 1);
    const other = told(third.barrier.arriveAndAwait());
    expect(await Promise.race([...waits.slice(0, 1), other, delay(100, 'wait')])).toBe('wait');
    const [fourth] = (await parties(clients, 1, { ...options, parties: 3 })) as [Party];
    expect(await told(fourth.barrier.arriveAndAwait())).toBe('passed 0');
    expect(await Promise.all([...waits, other])).toEqual([
      'passed 0',
      expect.toBeOneOf(whoCloses),
      'passed 0',
    ]);
  });

  it('CYCLIC-4 with shrink, the rest go on without the dead, until another joins', async () => {
    const clients = testClients(server);
    const options = { deadMembers: 'shrink' } as const;
    const [first, second, third] = (await parties(clients, 3, options)) as [Party, Party, Party];
    const waits = [first, second, third].map(({ barrier }) => told(barrier.arriveAndAwait()));
    expect(await Promise.all(waits)).toEqual(Array(3).fill('passed 0'));
    const rest = [first, second].map(({ barrier }) => told(barrier.arriveAndAwait()));
    await untilArrived(first, 2);
    await third.client.close();
    expect(await Promise.all(rest)).toEqual(['passed 1', 'passed 1']);
    expect(await first.barrier.inspect()).toMatchObject({ required: 2, parties: 3, members: 2 });
    const [other] = (await parties(clients, 1, { ...options, parties: 3 })) as [Party];
    const joined = told(other.barrier.arriveAndAwait());
    await expect.poll(async () => (await first.barrier.inspect()).required).toBe(3);
    const again = [first, second].map(({ barrier }) => told(barrier.arriveAndAwait()));
    expect(await Promise.all([...again, joined])).toEqual(Array(3).fill('passed 2'));
  });

  it('an elect that dies in its action is a member that dies: the rest elect another', async () => {
    const ran: string[] = [];
    const all = await parties(testClients(server), 2, {
      deadMembers: 'shrink',
      action: async ({ signal }) => {
        ran.push(signal.aborted ? 'late' : 'runs');
        if (ran.length === 1) await new Promise((resolve) => signal.addEventListener('abort', resolve));
      },
    });
    const [first, second] = all as [Party, Party];
    const waiting = told(first.barrier.arriveAndAwait());
    await untilArrived(first, 1);
    const elect = told(second.barrier.arriveAndAwait());
    await expect.poll(() => ran.length).toBe(1);
    await second.client.close();
    expect(await elect).toBe('session-lost');
    expect(await waiting).toBe('passed 0');
    expect(ran).toEqual(['runs', 'runs']);
  });

  it('CYCLIC-5 a wait that is given up leaves no key, and by default breaks the generation', async () => {
    const all = await parties(testClients(server), 3);
    const [first, second, third] = all as [Party, Party, Party];
    const waiting = told(first.barrier.arriveAndAwait());
    await untilArrived(first, 1);
    const given = told(second.barrier.arriveAndAwait({ timeoutMs: 1_500 }));
    await untilArrived(first, 2);
    expect(await given).toBe('timeout');
    expect(await waiting).toBe('gave-up');
    expect(await told(third.barrier.arriveAndAwait())).toBe('gave-up');
    expect((await keysOf(first.client)).filter((key) => key.startsWith('m/'))).toHaveLength(1);
  });

  it('CYCLIC-5 with the other policies the others wait on, and the one that gave up may come again', async () => {
    const all = await parties(testClients(server), 2, { deadMembers: 'shrink' });
    const [first, second] = all as [Party, Party];
    const controller = new AbortController();
    const given = second.barrier.arriveAndAwait({ signal: controller.signal });
    await untilArrived(first, 1);
    controller.abort(new Error('changed my mind'));
    await expect(given).rejects.toMatchObject({ code: 'aborted' });
    await untilArrived(first, 0);
    expect((await first.barrier.inspect()).members).toBe(0);
    const waiting = told(first.barrier.arriveAndAwait());
    await untilArrived(first, 1);
    expect(await told(second.barrier.arriveAndAwait())).toBe('passed 0');
    expect(await waiting).toBe('passed 0');
  });

  it('a reset tells those who wait, and the barrier serves again', async () => {
    const all = await parties(testClients(server), 2);
    const [first, second] = all as [Party, Party];
    await first.barrier.reset();
    expect(await keysOf(first.client)).toEqual([]);
    const waiting = told(first.barrier.arriveAndAwait());
    await untilArrived(first, 1);
    await second.barrier.reset();
    expect(await waiting).toBe('reset');
    const passed = await Promise.all(all.map(({ barrier }) => told(barrier.arriveAndAwait())));
    expect(passed).toEqual(['passed 1', 'passed 1']);
  });

  it('begins anew where nobody is left, whatever had happened', async () => {
    const clients = testClients(server);
    const [first, second] = (await parties(clients, 2)) as [Party, Party];
    const waits = [told(first.barrier.arriveAndAwait())];
    await untilArrived(second, 1);
    await first.client.close();
    expect(await Promise.all(waits)).toEqual(['session-lost']);
    const third = (await parties(clients, 1, { parties: 2 })) as [Party];
    const passed = await Promise.all([second, ...third].map(({ barrier }) => told(barrier.arriveAndAwait())));
    expect(new Set(passed).size).toBe(1);
    expect(passed[0]).toMatch(/^passed/);
  });

  it('leaves nothing behind once all have left and it is removed', async () => {
    const all = await parties(testClients(server), 2);
    const [first, second] = all as [Party, Party];
    await Promise.all(all.map(({ barrier }) => barrier.arriveAndAwait()));
    expect(await first.barrier.remove()).toBe(false);
    await second.barrier.leave();
    expect((await keysOf(first.client)).toSorted()).toEqual(['generation', 'joins', 'leaves']);
    expect(await first.barrier.remove()).toBe(true);
    expect(await keysOf(first.client)).toEqual([]);
    const passed = await Promise.all(all.map(({ barrier }) => told(barrier.arriveAndAwait())));
    expect(passed).toEqual(['passed 0', 'passed 0']);
  });

  it('refuses what makes no sense, and other settings than those of the rest', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const made = (options: unknown) => () => new CyclicBarrier(client, 'b', options as CyclicBarrierOptions);
    const wrong = { code: 'invalid-argument' };
    const bad = [
      ...[null, undefined, 7, {}, { parties: 0 }, { parties: Number.NaN }, { parties: '3' }],
      ...[
        { parties: 10_001 },
        { parties: 2.5 },
        { parties: 2, action: 'x' },
        { parties: 2, deadMembers: 'no' },
      ],
    ];
    for (const options of bad) expect(made(options)).toThrow(expect.objectContaining(wrong));
    expect(() => new CyclicBarrier(client, '', { parties: 2 })).toThrow(expect.objectContaining(wrong));
    const one = new CyclicBarrier(client, 'b', { parties: 1 });
    expect(await one.arriveAndAwait()).toEqual({ generation: 0, ranAction: false });
    const other = new CyclicBarrier(client, 'b', { parties: 2 });
    await expect(other.arriveAndAwait()).rejects.toMatchObject(wrong);
    const policy = new CyclicBarrier(client, 'b', { parties: 1, deadMembers: 'wait' });
    await expect(policy.arriveAndAwait()).rejects.toMatchObject(wrong);
    for (const timeoutMs of [0, Number.NaN, '5']) {
      await expect(one.arriveAndAwait({ timeoutMs: timeoutMs as number })).rejects.toMatchObject(wrong);
    }
    await expect(one.arriveAndAwait(null as never)).rejects.toMatchObject(wrong);
  });
});
