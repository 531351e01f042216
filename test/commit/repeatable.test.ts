import { describe, expect, it } from 'vitest';
import { QuorateError } from '../../src/errors.js';
import { systemRuntime } from '../../src/runtime/index.js';
import { compare, put, remove, type TxnRequest, txnOf } from '../../src/store/index.js';
import type { Fault } from '../support/faulty-store.js';
import { failureOf, guardedCreate, laneKeys, loseLanes, openScene } from './scene.js';

const repeatable = { repeatable: true };
const removal = (key: string, revision: number): TxnRequest =>
  txnOf({ compare: [compare.mod(key, 'equal', revision)], success: [remove(key)] });

/** A scene with a key in it. */
async function sceneWithKey() {
  const scene = await openScene();
  const { revision } = await scene.other.txn(txnOf({ success: [put('k', 'v')] }));
  return { ...scene, revision, laneRevision: () => laneRevision(scene) };
}

function laneRevision({ engine }: Awaited<ReturnType<typeof openScene>>): number | undefined {
  const [key = ''] = laneKeys(engine);
  return engine.range({ key }).kvs[0]?.modRevision;
}

describe('a transaction that may be repeated', () => {
  it('takes no lane while it is alone', async () => {
    const { commits, revision, laneRevision: lane, hooked } = await sceneWithKey();
    const before = lane();
    let sent: TxnRequest | undefined;
    hooked.hook = (request, send) => {
      sent = request;
      return send();
    };
    const request = removal('k', revision);
    expect(await commits.txn(request, repeatable)).toEqual({
      revision: revision + 1,
      succeeded: true,
      replies: [{ type: 'delete', deleted: 1, prevKvs: [] }],
    });
    expect(sent).toEqual(request);
    expect(lane()).toBe(before);
    expect(commits.stats).toMatchObject({ groups: 0, members: 0, pastLanes: 1 });
  });

  it('goes on without a lane where none can be had', async () => {
    const { commits, engine, revision, hooked } = await sceneWithKey();
    loseLanes(engine);
    hooked.hook = async (request, send) => {
      if (request.success.some(({ type }) => type === 'put')) throw new QuorateError('no-space', 'full');
      return send();
    };
    expect((await commits.txn(removal('k', revision), repeatable)).succeeded).toBe(true);
    expect(commits.stats.lanesOpened).toBe(1);
    hooked.hook = undefined;
  });

  it('travels with those who wait', async () => {
    const { commits, engine, revision } = await sceneWithKey();
    const replies = await Promise.all([
      commits.txn(guardedCreate('l')),
      commits.txn(removal('k', revision), repeatable),
    ]);
    expect(replies.map((reply) => [reply.revision, reply.succeeded])).toEqual([
      [revision + 1, true],
      [revision + 1, true],
    ]);
    expect(engine.range({ key: 'k' }).count).toBe(0);
    expect(commits.stats).toMatchObject({ groups: 1, members: 2, pastLanes: 0 });
  });

  it('takes a lane of its own like any other', async () => {
    const { commits, revision } = await sceneWithKey();
    const lane = await commits.openLane();
    expect((await lane.txn(removal('k', revision), repeatable as object)).succeeded).toBe(true);
    expect(commits.stats).toMatchObject({ groups: 1, members: 1, pastLanes: 0 });
  });

  it.each<[Fault, boolean, number]>([
    ['refuse', true, 0],
    ['lose-request', true, 1],
    ['timeout-lost', true, 1],
    ['lose-reply', false, 1],
    ['timeout-applied', false, 1],
    ['late', true, 1],
  ])('COMMIT-2 %s: is sent again, and answered as that attempt was', async (fault, succeeded, resent) => {
    const { commits, engine, network, revision } = await sceneWithKey();
    network.script('txn', fault, 'deliver');
    expect((await commits.txn(removal('k', revision), repeatable)).succeeded).toBe(succeeded);
    expect(engine.range({ key: 'k' }).count).toBe(0);
    expect(commits.stats).toMatchObject({ resent, pastLanes: 1, fenced: 0, resolvedByLane: 0 });
    await network.releaseHeld();
    expect(engine.revision).toBe(revision + 1);
  });

  it('COMMIT-4 comes too late to touch what came after', async () => {
    const { commits, engine, network, other, revision } = await sceneWithKey();
    network.script('txn', 'late', 'deliver');
    await commits.txn(removal('k', revision), repeatable);
    await other.txn(txnOf({ success: [put('k', 'again')] }));
    await network.releaseHeld();
    expect(engine.range({ key: 'k' }).count).toBe(1);
  });

  it('COMMIT-3 given up in flight: unknown, and the lane is free for others', async () => {
    const { commits, hooked, revision } = await sceneWithKey();
    hooked.hook = async () => {
      throw new QuorateError('unavailable', 'cut', { outcome: 'unknown' });
    };
    const error = await failureOf(commits.txn(removal('k', revision), { ...repeatable, timeoutMs: 30 }));
    expect(error).toMatchObject({ code: 'timeout', outcome: 'unknown', cause: { code: 'unavailable' } });
    hooked.hook = undefined;
    expect((await commits.txn(guardedCreate('l'))).succeeded).toBe(true);
    expect(commits.stats).toMatchObject({ fenced: 0, members: 1, pastLanes: 0 });
  });

  it('COMMIT-3 given up while the store cannot be reached: not applied', async () => {
    const { commits, hooked, revision } = await sceneWithKey();
    hooked.hook = async () => {
      throw new QuorateError('unavailable', 'no connection');
    };
    expect(
      await failureOf(commits.txn(removal('k', revision), { ...repeatable, timeoutMs: 30 })),
    ).toMatchObject({ code: 'timeout', outcome: 'not-applied', cause: { message: 'no connection' } });
  });

  it('COMMIT-2 a refusal is believed only if no attempt before it is undecided', async () => {
    const { commits, hooked, revision } = await sceneWithKey();
    let isLost = false;
    hooked.hook = async () => {
      if (isLost) {
        isLost = false;
        throw new QuorateError('unavailable', 'lost', { outcome: 'unknown' });
      }
      throw new QuorateError('permission-denied', 'not allowed');
    };
    const refused = { code: 'permission-denied', message: 'not allowed' };
    expect(await failureOf(commits.txn(removal('k', revision), repeatable))).toMatchObject({
      ...refused,
      outcome: 'not-applied',
    });
    isLost = true;
    expect(await failureOf(commits.txn(removal('k', revision), repeatable))).toMatchObject({
      ...refused,
      outcome: 'unknown',
    });
    hooked.hook = undefined;
  });

  it('COMMIT-3 closing ends it: unknown once it was sent', async () => {
    const { commits, hooked, revision } = await sceneWithKey();
    hooked.hook = () => new Promise<never>(() => {});
    const sent = failureOf(commits.txn(removal('k', revision), repeatable));
    await systemRuntime.nextTurn();
    const closing = commits.close();
    expect(await sent).toMatchObject({ code: 'closed', outcome: 'unknown' });
    await closing;
  });
});
