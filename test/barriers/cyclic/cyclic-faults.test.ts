import { getEventListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { CyclicBarrierOptions } from '../../../src/barriers/cyclic/options.js';
import { CyclicBarrier } from '../../../src/barriers/cyclic-barrier.js';
import { QuorateError } from '../../../src/errors.js';
import { MemoryServer } from '../../../src/memory/index.js';
import { hooksOn } from '../../../src/runtime/abort-hooks.js';
import { Client } from '../../../src/session/index.js';
import { type Op, prefixRange, type Store, type TxnRequest } from '../../../src/store/index.js';
import { countingStore } from '../../support/counting-store.js';
import { cuttingWatches } from '../../support/cut-watches.js';
import { hookedStore } from '../../support/hooked-store.js';
import { openStallingClient } from '../../support/stalling-client.js';
import { storeWith } from '../../support/store-with.js';

async function party(store: Store, options: Partial<CyclicBarrierOptions> = {}) {
  const client = await Client.open({ store, namespace: 'n' });
  onTestFinished(() => client.close());
  return { client, barrier: new CyclicBarrier(client, 'b', { parties: 2, ...options }) };
}

function ops({ success, failure }: TxnRequest): readonly Op[] {
  return [...success, ...failure].flatMap((op) => (op.type === 'txn' ? ops(op) : [op]));
}

const puts = (request: TxnRequest, part: string) =>
  ops(request).some((op) => op.type === 'put' && op.key.includes(part));

function members(server: MemoryServer): number {
  return server.engine.range({ ...prefixRange('n/cyclic-barrier/b/m/'), countOnly: true }).count;
}

describe('CyclicBarrier, when things go wrong', () => {
  it('CYCLIC-2 a watch that is cut, with history compacted, releases nobody, and then tells what happened meanwhile', async () => {
    const server = new MemoryServer();
    const { store, cut } = cuttingWatches(server.connect());
    const [one, other] = [await party(store), await party(server.connect())];
    let isOver = false;
    const waiting = one.barrier.arriveAndAwait().finally(() => {
      isOver = true;
    });
    await expect.poll(() => members(server)).toBe(1);
    const mend = cut();
    await delay(30);
    await server.connect().compact(server.engine.revision);
    expect(isOver).toBe(false);
    await other.barrier.arriveAndAwait();
    expect(isOver).toBe(false);
    mend();
    expect(await waiting).toEqual({ generation: 0, ranAction: false });
  });

  it('CYCLIC-2 nobody is released by a key that is gone', async () => {
    const server = new MemoryServer();
    const [one, other] = [await party(server.connect()), await party(server.connect())];
    const waiting = one.barrier.arriveAndAwait().catch((error: unknown) => error);
    await expect.poll(() => members(server)).toBe(1);
    const generation = { type: 'delete', key: 'n/cyclic-barrier/b/generation' } as const;
    await server.connect().txn({ compare: [], success: [generation], failure: [] });
    expect(await waiting).toMatchObject({ code: 'barrier-broken', details: { reason: 'forgotten' } });
    const passed = await Promise.all([one, other].map(({ barrier }) => barrier.arriveAndAwait()));
    expect(passed.map(({ generation: of }) => of)).toEqual([0, 0]);
  });

  it('CYCLIC-4 the others go on where the last to arrive died before it could say so', async () => {
    const server = new MemoryServer();
    const hooked = hookedStore(server.connect());
    const options = { deadMembers: 'shrink' } as const;
    const [one, other] = [await party(server.connect(), options), await party(hooked.store, options)];
    hooked.hook = async (request, send) => {
      if (puts(request, '/generation')) {
        await other.client.close();
        return new Promise(() => {});
      }
      return send();
    };
    const waiting = one.barrier.arriveAndAwait();
    await expect.poll(() => members(server)).toBe(1);
    const last = other.barrier.arriveAndAwait().catch((error: unknown) => error);
    expect(await waiting).toEqual({ generation: 0, ranAction: false });
    expect(await last).toMatchObject({ code: 'session-lost' });
  });

  it('CYCLIC-5 an arrival that is given up on its way is taken back', async () => {
    const server = new MemoryServer();
    const hooked = hookedStore(server.connect());
    const one = await party(hooked.store);
    await one.client.session();
    let arrive = () => {};
    const held = new Promise<void>((resolve) => {
      arrive = resolve;
    });
    hooked.hook = async (request, send) => {
      if (puts(request, '/m/')) await held;
      return send();
    };
    await expect(one.barrier.arriveAndAwait({ timeoutMs: 20 })).rejects.toMatchObject({ code: 'timeout' });
    arrive();
    await expect
      .poll(() => server.engine.range({ key: 'n/cyclic-barrier/b/leaves', countOnly: true }).count)
      .toBe(1);
    expect(members(server)).toBe(0);
  });

  it('who finds its key deleted while a stall is being decided waits for that, and arrives again', async () => {
    const server = new MemoryServer();
    let onLook = () => {};
    const { client, standStill } = await openStallingClient(server, (store) =>
      storeWith(store, {
        range: async (request, callOptions) => {
          const reply = await store.range(request, callOptions);
          if (request.key.endsWith('anchor')) onLook();
          return reply;
        },
      }),
    );
    const options = { parties: 2, deadMembers: 'wait' } as const;
    const outcome = new CyclicBarrier(client, 'b', options).arriveAndAwait().then(
      ({ generation }) => `passed ${generation}`,
      ({ code }: QuorateError) => code,
    );
    await expect.poll(() => members(server)).toBe(1);
    let stalls = 0;
    // It asks whether its session has ended with its key.
    onLook = () => {
      stalls += 1;
      if (stalls === 1) standStill(true);
    };
    const range = prefixRange('n/cyclic-barrier/b/m/');
    await server.connect().txn({ compare: [], success: [{ type: 'delete', ...range }], failure: [] });
    await expect.poll(() => stalls).toBe(1);
    const arrivesAgain = expect.poll(() => members(server)).toBe(1);
    await Promise.race([arrivesAgain, outcome]);
    const other = await party(server.connect(), options);
    // Nobody was there for a moment, so it has begun anew.
    const { generation } = await other.barrier.arriveAndAwait({ timeoutMs: 2_000 });
    expect(await outcome).toBe(`passed ${generation}`);
  });

  it('CYCLIC-2 an arrival whose reply was lost for good is found, and not made again', async () => {
    const server = new MemoryServer();
    const hooked = hookedStore(server.connect());
    const [one, other] = [await party(hooked.store), await party(server.connect())];
    await one.client.session();
    hooked.hook = async (request, send) => {
      if (!puts(request, '/m/')) return send();
      hooked.hook = undefined;
      await send();
      await server.connect().compact(server.engine.revision);
      throw new QuorateError('unavailable', 'lost by the test', { outcome: 'unknown' });
    };
    const waiting = one.barrier.arriveAndAwait();
    await expect.poll(() => members(server)).toBe(1);
    await delay(100);
    expect(members(server)).toBe(1);
    await other.barrier.arriveAndAwait();
    expect(await waiting).toEqual({ generation: 0, ranAction: false });
    expect(members(server)).toBe(2);
  });

  it('an arrival whose key somebody deleted arrives again', async () => {
    const server = new MemoryServer();
    const options = { deadMembers: 'wait' } as const;
    const [one, other] = [await party(server.connect(), options), await party(server.connect(), options)];
    const waiting = one.barrier.arriveAndAwait();
    await expect.poll(() => members(server)).toBe(1);
    const range = prefixRange('n/cyclic-barrier/b/m/');
    await server.connect().txn({ compare: [], success: [{ type: 'delete', ...range }], failure: [] });
    await expect.poll(() => members(server)).toBe(1);
    // Nobody was there for a moment, so it has begun anew.
    const { generation } = await other.barrier.arriveAndAwait();
    expect(await waiting).toEqual({ generation, ranAction: false });
  });

  it('who comes while nobody but an elect is there, whose member key somebody deleted, does not ask without a pause', async () => {
    const server = new MemoryServer();
    const { store, counts } = countingStore(server.connect());
    let open = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    let begun = 0;
    const action = async () => {
      begun += 1;
      if (begun === 1) await gate;
    };
    const { barrier } = await party(store, { parties: 1, action });
    const passing = barrier.arriveAndAwait();
    await expect.poll(() => begun).toBe(1);
    const gone = { type: 'delete', ...prefixRange('n/cyclic-barrier/b/m/') } as const;
    await server.connect().txn({ compare: [], success: [gone], failure: [] });
    await delay(50);
    counts.reset();
    await delay(200);
    expect(counts.calls.txn).toBeLessThan(40);
    open();
    expect(await passing).toMatchObject({ ranAction: true });
    expect(begun).toBe(2);
  });

  it('is removed within the time that the call has, for leaving and removing together', async () => {
    const hooked = hookedStore(new MemoryServer().connect());
    const { barrier } = await party(hooked.store, { parties: 1 });
    await barrier.arriveAndAwait();
    // It leaves in time, and the rest is not answered.
    hooked.hook = async (_request, send) => {
      hooked.hook = () => new Promise(() => {});
      await delay(350);
      return send();
    };
    // However late they are, timers fire in the order in which they fall due.
    const late = delay(750, 'too late');
    const removed = barrier.remove({ timeoutMs: 500 }).catch((error: unknown) => error);
    expect(await Promise.race([removed, late])).toMatchObject({ code: 'timeout' });
    hooked.hook = undefined;
  });

  it('says so where somebody has written something else to its key', async () => {
    const server = new MemoryServer();
    const one = await party(server.connect());
    const key = 'n/cyclic-barrier/b/generation';
    const put = (value: string): TxnRequest => {
      const op = { type: 'put', key, value: Buffer.from(value) } as const;
      return { compare: [], success: [op], failure: [] };
    };
    for (const value of ['', 'x', '7', 'null', '{"generation":0}']) {
      await server.connect().txn(put(value));
      await expect(one.barrier.arriveAndAwait(), value).rejects.toMatchObject({ code: 'codec' });
    }
  });

  it('leaves no listener behind, and a member for each who waits at a time', async () => {
    const server = new MemoryServer();
    const action = () => {};
    const [one, other] = [
      await party(server.connect(), { action }),
      await party(server.connect(), { action }),
    ];
    const { signal } = new AbortController();
    for (let round = 0; round < 60; round += 1) {
      const options = { signal, timeoutMs: 5_000 };
      await Promise.all([one, other].map(({ barrier }) => barrier.arriveAndAwait(options)));
    }
    expect(members(server)).toBe(2);
    const session = await one.client.session();
    expect(hooksOn(session.signal)).toBe(0);
    // One listener runs all hooks.
    expect(getEventListeners(session.signal, 'abort').length).toBeLessThanOrEqual(1);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    await one.barrier.leave();
    await other.barrier.leave();
    expect(members(server)).toBe(0);
  });
});
