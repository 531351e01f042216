import { describe, expect, it } from 'vitest';
import { QuorateError } from '../../src/errors.js';
import { get, getPrefix, nested, put, remove, txnOf } from '../../src/store/index.js';
import type { Fault } from '../support/faulty-store.js';
import { failureOf, guardedCreate, laneKeys, loseLanes, openScene } from './scene.js';

const lost = (code: 'unavailable' | 'no-space' = 'unavailable') =>
  new QuorateError(code, 'lost by a test', { outcome: 'unknown' });

describe('a request that meets a fault', () => {
  it.each<[Fault, { resent: number; resolvedByLane: number }]>([
    ['deliver', { resent: 0, resolvedByLane: 0 }],
    ['delay', { resent: 0, resolvedByLane: 0 }],
    ['refuse', { resent: 0, resolvedByLane: 0 }],
    ['lose-request', { resent: 1, resolvedByLane: 0 }],
    ['timeout-lost', { resent: 1, resolvedByLane: 0 }],
    ['lose-reply', { resent: 1, resolvedByLane: 1 }],
    ['timeout-applied', { resent: 1, resolvedByLane: 1 }],
    ['late', { resent: 1, resolvedByLane: 0 }],
  ])('COMMIT-2 %s: applied once, with the reply of that once', async (fault, figures) => {
    const { commits, network, engine } = await openScene();
    network.script('txn', fault, 'deliver');
    const reply = await commits.txn(guardedCreate('k'));
    expect(reply).toEqual({ revision: 3, succeeded: true, replies: [{ type: 'put' }] });
    await network.releaseHeld();
    expect(engine.revision).toBe(3);
    expect(engine.range({ key: 'k' }).kvs[0]).toMatchObject({ createRevision: 3, version: 1 });
    expect(commits.stats).toMatchObject({ groups: 1, members: 1, fenced: 0, ...figures });
  });

  it('COMMIT-4 a late attempt does not bring back what was deleted meanwhile', async () => {
    const { commits, network, other, engine } = await openScene();
    network.script('txn', 'late', 'deliver');
    await commits.txn(guardedCreate('k'));
    await other.txn(txnOf({ success: [remove('k')] }));
    expect(network.held).toBe(1);
    await network.releaseHeld();
    expect(engine.range({ key: 'k' }).kvs).toEqual([]);
  });

  it('COMMIT-2 recovers what ranges showed, own writes and limits included', async () => {
    const { commits, network, other } = await openScene();
    await other.txn(txnOf({ success: [put('p/1', '1'), put('p/2', '2'), put('q', 'q')] }));
    network.script('txn', 'lose-reply');
    const request = txnOf({
      success: [
        put('p/0', '0'),
        getPrefix('p/', { limit: 2 }),
        get('q'),
        getPrefix('p/', { countOnly: true, revision: 3 }),
        nested({ success: [remove('p/2', { prevKv: true })] }),
        put('q', 'r', { prevKv: true }),
      ],
    });
    const pending = commits.txn(request);
    const reply = await pending;
    await other.txn(txnOf({ success: [put('p/1', 'later')] }));
    expect(commits.stats.resolvedByLane).toBe(1);
    const kv = (key: string, value: string, revision: number) => ({
      key,
      value: Uint8Array.from(Buffer.from(value)),
      createRevision: revision,
      modRevision: revision,
      version: 1,
      lease: '0',
    });
    expect(reply).toMatchObject({ revision: 4, succeeded: true });
    expect(reply.replies).toEqual([
      { type: 'put' },
      { type: 'range', kvs: [kv('p/0', '0', 4), kv('p/1', '1', 3)], count: 3, more: true },
      { type: 'range', kvs: [kv('q', 'q', 3)], count: 1, more: false },
      { type: 'range', kvs: [], count: 2, more: false },
      {
        type: 'txn',
        succeeded: true,
        replies: [{ type: 'delete', deleted: 1, prevKvs: [kv('p/2', '2', 3)] }],
      },
      { type: 'put', prevKv: kv('q', 'q', 3) },
    ]);
  });

  it('COMMIT-2 recovers ranges of more keys than one page', async () => {
    const { commits, network, other } = await openScene();
    for (let block = 0; block < 12; block += 1) {
      const keys = Array.from(
        { length: 100 },
        (_, index) => `p/${String(block * 100 + index).padStart(5, '0')}`,
      );
      await other.txn(txnOf({ success: keys.map((key) => put(key, '')) }));
    }
    network.script('txn', 'lose-reply');
    const reply = await commits.txn(txnOf({ success: [put('p/x', ''), getPrefix('p/')] }));
    expect(commits.stats.resolvedByLane).toBe(1);
    expect(reply.replies[1]).toMatchObject({ type: 'range', count: 1_201, more: false });
  });

  it('COMMIT-2 what is sent after an undecided request waits until that is decided', async () => {
    const { commits, network } = await openScene();
    network.script('txn', 'late', 'late', 'lose-request', 'deliver');
    const first = commits.txn(txnOf({ success: [put('k', '1')] }));
    const second = commits.txn(txnOf({ success: [put('k', '2'), get('k')] }));
    expect((await first).revision).toBe(3);
    await network.releaseHeld();
    expect((await second).replies[1]).toMatchObject({ kvs: [{ modRevision: 4, version: 2 }] });
  });
});

describe('a request that the store refuses', () => {
  it('COMMIT-1 only the guilty member fails, with its own error', async () => {
    const { commits, engine } = await openScene();
    const members = Array.from({ length: 9 }, (_, index) => `k${index}`);
    const results = await Promise.allSettled(
      members.map((key) =>
        commits.txn(txnOf({ success: [put(key, '', key === 'k6' ? { lease: '99' } : {})] })),
      ),
    );
    expect(results.map((result) => result.status === 'fulfilled')).toEqual(
      members.map((key) => key !== 'k6'),
    );
    const guilty = await failureOf(Promise.reject(results[6]?.status === 'rejected' ? results[6].reason : 0));
    expect(guilty).toMatchObject({ code: 'lease-not-found', outcome: 'not-applied' });
    expect(engine.range({ key: 'k', rangeEnd: 'l' }).count).toBe(8);
    expect(commits.stats).toMatchObject({ members: 8, fenced: 0 });
  });

  it('COMMIT-4 a refusal after a lost attempt is believed only once that attempt is fenced off', async () => {
    const { commits, network, other, engine } = await openScene();
    network.script('txn', 'late', 'deliver');
    const pending = commits.txn(txnOf({ success: [put('k', '', { lease: '99' })] }));
    expect(await failureOf(pending)).toMatchObject({ code: 'lease-not-found', outcome: 'not-applied' });
    expect(commits.stats.fenced).toBe(1);
    // What was refused a moment ago would pass now.
    await other.leaseGrant({ id: '99', ttlSeconds: 60 });
    await network.releaseHeld();
    expect(engine.range({ key: 'k' }).kvs).toEqual([]);
  });

  it('COMMIT-2 a refusal after an attempt that was applied is not believed', async () => {
    const { commits, hooked } = await openScene();
    let attempts = 0;
    hooked.hook = async (_request, send) => {
      attempts += 1;
      if (attempts === 2) throw new QuorateError('unauthenticated', 'token expired');
      const reply = await send();
      if (attempts === 1) throw lost();
      return reply;
    };
    const reply = await commits.txn(guardedCreate('k'));
    expect(reply).toEqual({ revision: 3, succeeded: true, replies: [{ type: 'put' }] });
    expect(commits.stats).toMatchObject({ fenced: 1, resolvedByLane: 1 });
  });

  it('COMMIT-4 a fence that is refused is sent again until it is not, and then the lane goes on', async () => {
    const { commits, hooked, engine } = await openScene();
    let attempts = 0;
    hooked.hook = async (_request, send) => {
      attempts += 1;
      if (attempts === 1) throw lost();
      if (attempts <= 5) throw new QuorateError('unauthenticated', 'token expired');
      return send();
    };
    const pending = commits.txn(guardedCreate('k'));
    const next = commits.txn(txnOf({ success: [put('k', '', { prevKv: true })] }));
    expect(await failureOf(pending)).toMatchObject({ code: 'unauthenticated', outcome: 'not-applied' });
    expect((await next).replies).toEqual([{ type: 'put' }]);
    expect(attempts).toBe(7);
    expect(engine.range({ key: 'k' }).kvs[0]).toMatchObject({ version: 1 });
    expect(commits.stats).toMatchObject({ fenced: 1, members: 1 });
  });

  it('COMMIT-2 a fence whose reply is lost is sent again', async () => {
    const { commits, network, engine } = await openScene();
    network.script('txn', 'lose-request', 'deliver', 'lose-reply', 'lose-request', 'deliver');
    const pending = commits.txn(txnOf({ success: [put('k', '', { lease: '99' })] }));
    expect(await failureOf(pending)).toMatchObject({ code: 'lease-not-found', outcome: 'not-applied' });
    expect((await commits.txn(guardedCreate('k'))).succeeded).toBe(true);
    expect(engine.range({ key: 'k' }).count).toBe(1);
  });

  it.each([true, false])('COMMIT-2 no-space, applied all the same: %s', async (applied) => {
    const { commits, hooked, engine } = await openScene();
    hooked.hook = async (request, send) => {
      if (request.success.some((op) => op.type === 'put')) {
        if (applied && request.success.length > 1) await send();
        throw new QuorateError('no-space', 'database space exceeded');
      }
      return send();
    };
    const pending = commits.txn(guardedCreate('k'));
    if (applied) expect(await pending).toEqual({ revision: 3, succeeded: true, replies: [{ type: 'put' }] });
    else expect(await failureOf(pending)).toMatchObject({ code: 'no-space', outcome: 'not-applied' });
    expect(engine.range({ key: 'k' }).count).toBe(applied ? 1 : 0);
    hooked.hook = undefined;
    expect((await commits.txn(guardedCreate('l'))).succeeded).toBe(true);
  });
});

describe('a lane that is gone', () => {
  it('COMMIT-2 nothing was under way: a new lane carries on', async () => {
    const { commits, engine } = await openScene();
    const [before] = laneKeys(engine);
    loseLanes(engine);
    expect((await commits.txn(guardedCreate('k'))).succeeded).toBe(true);
    expect(laneKeys(engine)).toHaveLength(1);
    expect(laneKeys(engine)).not.toContain(before);
    expect(commits.stats).toMatchObject({ lanesOpened: 2, members: 1 });
  });

  it('COMMIT-2 its history shows that the lost attempt was applied', async () => {
    const { commits, hooked, engine } = await openScene();
    let lose = true;
    hooked.hook = async (_request, send) => {
      const reply = await send();
      if (!lose) return reply;
      lose = false;
      loseLanes(engine);
      throw lost();
    };
    expect(await commits.txn(guardedCreate('k'))).toEqual({
      revision: 3,
      succeeded: true,
      replies: [{ type: 'put' }],
    });
    expect(commits.stats).toMatchObject({ resolvedByLane: 1 });
    expect(engine.range({ key: 'k' }).kvs[0]).toMatchObject({ version: 1 });
  });

  it('COMMIT-2 its history shows that the lost attempt was not applied, and late it cannot be', async () => {
    const { commits, network, engine } = await openScene();
    network.script('txn', 'late', 'deliver', 'deliver', 'deliver');
    const pending = commits.txn(txnOf({ success: [put('k', '')] }));
    loseLanes(engine);
    const reply = await pending;
    await network.releaseHeld();
    expect(engine.range({ key: 'k' }).kvs[0]).toMatchObject({ modRevision: reply.revision, version: 1 });
  });

  it('COMMIT-2 its history shows a fence, whose reply was lost with it', async () => {
    const { commits, network, hooked, engine } = await openScene();
    network.script('txn', 'lose-request');
    hooked.hook = async (request, send) => {
      const reply = await send();
      const isFence = request.success.length === 1 && reply.succeeded && engine.leases().length > 0;
      if (!isFence) return reply;
      hooked.hook = undefined;
      loseLanes(engine);
      throw lost();
    };
    const pending = commits.txn(txnOf({ success: [put('k', '', { lease: '99' })] }));
    expect(await failureOf(pending)).toMatchObject({ code: 'lease-not-found', outcome: 'not-applied' });
    expect(commits.stats).toMatchObject({ fenced: 1, resolvedByLane: 0 });
  });

  it('COMMIT-3 its history was compacted: unknown', async () => {
    const { commits, hooked, engine } = await openScene();
    let lose = true;
    hooked.hook = async (_request, send) => {
      const reply = await send();
      if (!lose) return reply;
      lose = false;
      loseLanes(engine);
      engine.compact(engine.revision);
      throw lost();
    };
    expect(await failureOf(commits.txn(guardedCreate('k')))).toMatchObject({
      code: 'compacted',
      outcome: 'unknown',
    });
    expect((await commits.txn(guardedCreate('l'))).succeeded).toBe(true);
  });
});

describe('a lane that is gone with part of its history', () => {
  it.each([
    ['after the attempt was applied', 'lose-reply'],
    ['before it was known that it was not', 'lose-request'],
  ] as const)('COMMIT-3 compacted %s: what is left of it tells', async (_title, fault) => {
    const { commits, network, hooked, other, engine } = await openScene();
    network.script('txn', fault);
    let sent = 0;
    hooked.hook = async (_request, send) => {
      sent += 1;
      // The first attempt that arrives after the loss: meanwhile history was compacted, and then the lane was lost.
      if (sent === (fault === 'lose-reply' ? 2 : 1)) {
        await other.txn(txnOf({ success: [put('beside', '')] }));
        engine.compact(engine.revision);
        loseLanes(engine);
      }
      return send();
    };
    const reply = await commits.txn(txnOf({ success: [put('k', '')] }));
    expect(reply.succeeded).toBe(true);
    expect(engine.range({ key: 'k' }).kvs[0]).toMatchObject({ modRevision: reply.revision, version: 1 });
    expect(commits.stats).toMatchObject({ members: 1, resolvedByLane: fault === 'lose-reply' ? 1 : 0 });
  });
});

describe('a lane that is gone at a revision that history ends at', () => {
  it('COMMIT-3 deleted at the compacted revision itself, of which a watch is silent', async () => {
    const { commits, network, other, engine } = await openScene();
    loseLanes(engine);
    engine.compact(engine.revision);
    network.script('txn', 'lose-request');
    const reply = await commits.txn(txnOf({ success: [put('k', '')] }), { timeoutMs: 1_000 });
    expect(reply.succeeded).toBe(true);
    expect((await other.range({ key: 'k' })).kvs[0]).toMatchObject({ version: 1 });
  });

  it('COMMIT-2 its later life under the same key does not speak for the one before', async () => {
    const { commits, hooked, other, engine } = await openScene();
    const [lane = ''] = laneKeys(engine);
    let lose = true;
    hooked.hook = async (_request, send) => {
      const reply = await send();
      if (!lose) return reply;
      lose = false;
      await other.txn(txnOf({ success: [remove(lane)] }));
      // As an opening does that arrives only now.
      await other.txn(txnOf({ success: [put(lane, '0')] }));
      engine.compact(engine.revision);
      throw lost();
    };
    const unknown = await failureOf(commits.txn(txnOf({ success: [put('k', '')] })));
    expect(unknown).toMatchObject({ code: 'compacted', outcome: 'unknown' });
    expect(engine.range({ key: 'k' }).kvs[0]).toMatchObject({ version: 1 });
  });
});

describe('history compacted before a lost reply is worked out', () => {
  it('COMMIT-3 who needs no history is answered, for the others it is unknown', async () => {
    const { commits, hooked, engine } = await openScene();
    let lose = true;
    hooked.hook = async (_request, send) => {
      const reply = await send();
      if (!lose) return reply;
      lose = false;
      engine.compact(engine.revision);
      throw lost();
    };
    const [plain, guarded, twice] = [
      commits.txn(txnOf({ success: [put('a', ''), nested({ success: [put('b', '')] })] })),
      failureOf(commits.txn(guardedCreate('k'))),
      failureOf(commits.txn(txnOf({ success: [put('c', '', { prevKv: true })] }))),
    ];
    expect(await plain).toEqual({
      revision: 3,
      succeeded: true,
      replies: [{ type: 'put' }, { type: 'txn', succeeded: true, replies: [{ type: 'put' }] }],
    });
    for (const unknown of [await guarded, await twice]) {
      expect(unknown).toMatchObject({
        code: 'compacted',
        outcome: 'unknown',
        details: { appliedAtRevision: 3 },
      });
    }
  });
});
