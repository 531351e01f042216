import { describe, expect, it } from 'vitest';
import { openCommitStore } from '../../src/commit/index.js';
import { Engine } from '../../src/engine/index.js';
import { QuorateError } from '../../src/errors.js';
import { MemoryServer } from '../../src/memory/index.js';
import { systemRuntime } from '../../src/runtime/index.js';
import { get, nested, put, removePrefix, type TxnRequest, txnOf } from '../../src/store/index.js';
import { fastRuntime } from '../support/fast-runtime.js';
import { faultyStore } from '../support/faulty-store.js';
import { failureOf, guardedCreate, laneKeys, lanePrefix, loseLanes, openScene } from './scene.js';

const never = () => new Promise<never>(() => {});

describe('a caller that gives up', () => {
  it('COMMIT-3 before anything was sent: not applied, and it never is', async () => {
    const { commits, hooked, engine } = await openScene();
    let release = () => {};
    hooked.hook = async (_request, send) => {
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      return send();
    };
    const first = commits.txn(guardedCreate('a'));
    await systemRuntime.nextTurn();
    const controller = new AbortController();
    const waiting = [
      failureOf(commits.txn(guardedCreate('b'), { timeoutMs: 5 })),
      failureOf(commits.txn(guardedCreate('c'), { signal: controller.signal })),
    ];
    controller.abort(new Error('enough'));
    expect(await waiting[0]).toMatchObject({ code: 'timeout', outcome: 'not-applied' });
    expect(await waiting[1]).toMatchObject({
      code: 'aborted',
      outcome: 'not-applied',
      cause: { message: 'enough' },
    });
    hooked.hook = undefined;
    release();
    await first;
    await commits.txn(guardedCreate('d'));
    expect(engine.range({ key: 'a', rangeEnd: 'e' }).kvs.map((kv) => kv.key)).toEqual(['a', 'd']);
  });

  it('COMMIT-3 while it was in flight: unknown, and the lane goes on to decide it', async () => {
    const { commits, hooked, engine } = await openScene();
    hooked.hook = async () => {
      throw new QuorateError('unavailable', 'cut', { outcome: 'unknown' });
    };
    const error = await failureOf(commits.txn(guardedCreate('k'), { timeoutMs: 30 }));
    expect(error).toMatchObject({ code: 'timeout', outcome: 'unknown', cause: { code: 'unavailable' } });
    hooked.hook = undefined;
    expect((await commits.txn(guardedCreate('l'))).succeeded).toBe(true);
    // Nobody waited for it any more, so it was fenced off rather than sent again.
    expect(engine.range({ key: 'k' }).count).toBe(0);
    expect(commits.stats).toMatchObject({ fenced: 1, members: 1 });
  });

  it('COMMIT-3 while the store cannot be reached: not applied, with the trouble as the cause', async () => {
    const { commits, hooked } = await openScene();
    hooked.hook = async () => {
      throw new QuorateError('unavailable', 'no connection');
    };
    expect(await failureOf(commits.txn(guardedCreate('k'), { timeoutMs: 30 }))).toMatchObject({
      code: 'timeout',
      outcome: 'not-applied',
      cause: { message: 'no connection' },
    });
  });

  it('COMMIT-3 while a new lane is being opened: not applied, and it never is', async () => {
    const { commits, hooked, engine } = await openScene();
    loseLanes(engine);
    let release = () => {};
    const opening = new Promise<void>((resolve) => {
      hooked.hook = async (request, send) => {
        // The lane that is gone answers; the new one keeps its callers waiting.
        if (request.compare[0]?.target === 'mod') return send();
        resolve();
        await new Promise<void>((go) => {
          release = go;
        });
        return send();
      };
    });
    const first = failureOf(commits.txn(guardedCreate('a'), { timeoutMs: 100 }));
    const patient = commits.txn(guardedCreate('b'));
    await opening;
    expect(await first).toMatchObject({ code: 'timeout', outcome: 'not-applied' });
    hooked.hook = undefined;
    release();
    expect((await patient).succeeded).toBe(true);
    expect(engine.range({ key: 'a', rangeEnd: 'c' }).kvs.map((kv) => kv.key)).toEqual(['b']);
  });

  it('leaves no timer behind that would keep the process alive', async () => {
    const timers = new Set<object>();
    const runtime = {
      ...systemRuntime,
      setTimer: (delayMs: number, callback: () => void, options: { background?: boolean } = {}) => {
        const timer = systemRuntime.setTimer(
          delayMs,
          () => {
            timers.delete(timer);
            callback();
          },
          options,
        );
        if (!options.background) timers.add(timer);
        const { cancel } = timer;
        return Object.assign(timer, {
          cancel: () => {
            timers.delete(timer);
            cancel();
          },
        });
      },
    };
    const { commits } = await openScene({ runtime });
    const calls = Array.from({ length: 50 }, (_, index) => commits.txn(guardedCreate(`k${index}`)));
    expect(timers.size).toBe(1);
    await Promise.all(calls);
    const controller = new AbortController();
    const givenUp = failureOf(commits.txn(guardedCreate('x'), { signal: controller.signal }));
    controller.abort();
    await givenUp;
    expect(timers.size).toBe(0);
  });
});

describe('what is refused at once', () => {
  const many = (count: number) => Array.from({ length: count }, (_, index) => put(`k${index}`, ''));
  it.each<[string, TxnRequest, string]>([
    ['127 operations', txnOf({ success: many(127) }), 'too-many-operations'],
    ['127 operations deep', txnOf({ success: [nested({ success: many(126) })] }), 'too-many-operations'],
    ['1.5 MiB', txnOf({ success: [put('k', new Uint8Array(1_572_864 - 2_000))] }), 'request-too-large'],
    ['a key put twice', txnOf({ success: [put('k', '1'), put('k', '2')] }), 'duplicate-key'],
    ['an empty key', txnOf({ success: [put('', '1')] }), 'invalid-argument'],
    ['a put over a lane', txnOf({ success: [put(`${lanePrefix}x`, '1')] }), 'invalid-argument'],
    ['a deletion over all lanes', txnOf({ success: [removePrefix('q/')] }), 'invalid-argument'],
    ['no transaction at all', {} as TxnRequest, 'invalid-argument'],
  ])('%s', async (_title, request, code) => {
    const { commits, counts } = await openScene();
    counts.reset();
    expect(await failureOf(commits.txn(request))).toMatchObject({ code, outcome: 'not-applied' });
    expect(counts.total()).toBe(0);
  });

  it('takes what is just within the limits', async () => {
    const { commits } = await openScene();
    await commits.txn(txnOf({ success: many(126) }));
    await commits.txn(txnOf({ success: [put('k', new Uint8Array(1_572_864 - 8_000))] }));
    expect(commits.stats).toMatchObject({ groups: 2, split: 0 });
  });

  it.each([{ timeoutMs: -1 }, { timeoutMs: Number.NaN }])('options %o', async (options) => {
    const { commits } = await openScene();
    expect(await failureOf(commits.txn(guardedCreate('k'), options))).toMatchObject({
      code: 'invalid-argument',
    });
  });

  it('a signal that is aborted already', async () => {
    const { commits, counts } = await openScene();
    counts.reset();
    expect(await failureOf(commits.txn(guardedCreate('k'), { signal: AbortSignal.abort() }))).toMatchObject({
      code: 'aborted',
      outcome: 'not-applied',
    });
    expect(counts.total()).toBe(0);
  });
});

describe('grouping', () => {
  it('calls of one tick share a request', async () => {
    const { commits, counts } = await openScene();
    counts.reset();
    const replies = await Promise.all(
      Array.from({ length: 100 }, (_, index) => commits.txn(guardedCreate(`k${index}`))),
    );
    expect(counts.calls.txn).toBe(1);
    expect(new Set(replies.map((reply) => reply.revision)).size).toBe(1);
  });

  it('calls that come while a group is in flight share the next one', async () => {
    const { commits, hooked } = await openScene();
    let release = () => {};
    hooked.hook = async (_request, send) => {
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      return send();
    };
    const calls = [commits.txn(guardedCreate('first'))];
    for (let index = 0; index < 20; index += 1) {
      await systemRuntime.nextTurn();
      calls.push(commits.txn(guardedCreate(`k${index}`)));
    }
    hooked.hook = undefined;
    release();
    await Promise.all(calls);
    expect(commits.stats).toMatchObject({ groups: 2, members: 21 });
  });

  it('who could not join is first in the next group', async () => {
    const { commits } = await openScene();
    const writes = Array.from({ length: 5 }, (_, index) =>
      commits.txn(txnOf({ success: [put('hot', String(index)), get('hot')] })),
    );
    const others = Array.from({ length: 200 }, (_, index) => commits.txn(guardedCreate(`k${index}`)));
    const revisions = (await Promise.all(writes)).map((reply) => reply.revision);
    expect(revisions).toEqual([3, 4, 5, 6, 7]);
    await Promise.all(others);
  });

  it('transactions that can only read go past the lanes', async () => {
    const { commits, counts, engine } = await openScene();
    counts.reset();
    await commits.txn(txnOf({ success: [get('k')] }));
    expect(counts.calls.txn).toBe(1);
    expect(engine.revision).toBe(2);
  });

  it('learns that the server allows less than usual', async () => {
    const server = new MemoryServer({ engine: new Engine({ maxTxnOps: 32 }) });
    const { commits } = await openScene({}, server);
    const burst = (name: string) =>
      Promise.all(Array.from({ length: 120 }, (_, index) => commits.txn(guardedCreate(`${name}${index}`))));
    await burst('a');
    const { split } = commits.stats;
    expect(split).toBeGreaterThan(0);
    await burst('b');
    await burst('c');
    const learnt = commits.stats.split;
    await burst('d');
    expect(commits.stats).toMatchObject({ split: learnt, members: 480 });
  });
});

describe('a lane of its own', () => {
  it('COMMIT-1 applies in the order of the calls, reads included', async () => {
    const { commits } = await openScene({ lanes: 3 });
    const lane = await commits.openLane();
    const replies = await Promise.all([
      lane.txn(txnOf({ success: [put('k', '1')] })),
      lane.txn(txnOf({ success: [get('k')] })),
      lane.txn(txnOf({ success: [put('k', '2')] })),
      lane.txn(txnOf({ success: [put('other', '')] })),
      lane.txn(txnOf({ success: [get('k')] })),
    ]);
    expect(replies.map((reply) => reply.revision)).toEqual([3, 4, 5, 5, 6].map((revision) => revision + 1));
    expect(replies[1]?.replies[0]).toMatchObject({ kvs: [{ version: 1 }] });
    expect(replies[4]?.replies[0]).toMatchObject({ kvs: [{ version: 2 }] });
  });

  it('closing it takes its key away and leaves the others', async () => {
    const { commits, engine } = await openScene({ lanes: 2 });
    const lane = await commits.openLane();
    expect(laneKeys(engine)).toHaveLength(3);
    const last = lane.txn(guardedCreate('k'));
    await lane.close();
    expect((await last).succeeded).toBe(true);
    expect(laneKeys(engine)).toHaveLength(2);
    expect(await failureOf(lane.txn(guardedCreate('l')))).toMatchObject({ code: 'closed' });
    expect((await commits.txn(guardedCreate('l'))).succeeded).toBe(true);
  });
});

describe('opening and closing', () => {
  it('opens with two requests, whatever the number of lanes', async () => {
    const { counts, engine } = await openScene({ lanes: 5 });
    expect(counts.total()).toBe(2);
    expect(laneKeys(engine)).toHaveLength(5);
  });

  it('asks again for a lease and lanes whose grant was lost', async () => {
    const server = new MemoryServer();
    const network = faultyStore(server.connect());
    network.script('leaseGrant', 'refuse', 'lose-reply', 'lose-reply');
    network.script('txn', 'refuse', 'late', 'lose-reply');
    const commits = await openCommitStore(network, { runtime: systemRuntime, lanePrefix, lanes: 2 });
    expect(server.engine.leases()).toHaveLength(1);
    await network.releaseHeld();
    expect(laneKeys(server.engine)).toHaveLength(2);
    expect((await commits.txn(guardedCreate('k'))).succeeded).toBe(true);
    await commits.close();
    expect(server.engine.leases()).toHaveLength(0);
    await server.close();
  });

  it('says that the store cannot be reached', async () => {
    const server = new MemoryServer();
    const network = faultyStore(server.connect(), { rates: { refuse: 1 }, calls: ['leaseGrant'] });
    const opening = openCommitStore(network, { runtime: systemRuntime, lanePrefix, connectTimeoutMs: 60 });
    expect(await failureOf(opening)).toMatchObject({ code: 'unreachable', outcome: 'not-applied' });
    await server.close();
  });

  it('keeps its lease alive', async () => {
    const runtime = fastRuntime(50);
    const server = new MemoryServer({ runtime });
    const { engine, counts, commits } = await openScene({ runtime, laneTtlSeconds: 30 }, server);
    const [lane] = laneKeys(engine);
    await expect.poll(() => counts.calls.leaseKeepAlive).toBeGreaterThan(3);
    expect(laneKeys(engine)).toEqual([lane]);
    expect(commits.stats.lanesOpened).toBe(1);
  });

  it('lets the calls under way end, revokes its lease and leaves the store open', async () => {
    const { commits, engine, network } = await openScene();
    const lane = await commits.openLane();
    const calls = [commits.txn(guardedCreate('a')), lane.txn(guardedCreate('b'))];
    await commits.close();
    expect((await Promise.all(calls)).every((reply) => reply.succeeded)).toBe(true);
    expect(engine.leases()).toHaveLength(0);
    expect(laneKeys(engine)).toHaveLength(0);
    await commits.close();
    for (const call of [
      () => commits.txn(guardedCreate('c')),
      () => lane.txn(guardedCreate('c')),
      () => commits.openLane(),
      () => commits.range({ key: 'a' }),
      () => commits.status(),
      () => commits.watch({ key: 'a' })[Symbol.asyncIterator]().next(),
    ]) {
      expect(await failureOf(call())).toMatchObject({ code: 'closed', outcome: 'not-applied' });
    }
    expect((await network.range({ key: 'a' })).count).toBe(1);
  });

  it('does not wait for ever for a store that answers nothing', async () => {
    const { commits, hooked } = await openScene({ closeTimeoutMs: 20 });
    hooked.hook = never;
    const sent = failureOf(commits.txn(guardedCreate('a')));
    await systemRuntime.nextTurn();
    const waiting = failureOf(commits.txn(guardedCreate('b')));
    await commits.close();
    expect(await sent).toMatchObject({ code: 'closed', outcome: 'unknown' });
    expect(await waiting).toMatchObject({ code: 'closed', outcome: 'not-applied' });
  });

  it('a store underneath that was closed fails the calls', async () => {
    const { commits, network } = await openScene();
    await network.close();
    expect(await failureOf(commits.txn(guardedCreate('a')))).toMatchObject({
      code: 'closed',
      outcome: 'not-applied',
    });
  });

  it.each([{ lanes: 0 }, { lanes: 1.5 }, { lanes: 1_000 }, { lanePrefix: 'no-slash' }])(
    'refuses %o',
    async (options) => {
      expect(await failureOf(openScene(options))).toMatchObject({ code: 'invalid-argument' });
    },
  );
});
