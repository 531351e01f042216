/** What the adapter makes of what its connections know. */
import { afterEach, describe, expect, it } from 'vitest';
import { openEtcd3Store } from '../../../src/etcd3/index.js';
import { errorCode, frameType, setting, uint32 } from '../../../src/etcd3/transport/http2/frames.js';
import { get, put, type Store, txnOf } from '../../../src/store/index.js';
import { type RawLink, RawServer } from './raw-server.js';

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

/** An empty message is an answer to everything, of revision 0. The first call on a store is for the status. */
type OnCall = (link: RawLink, id: number, count: number) => void;

async function storeOn(onCall: OnCall): Promise<{ server: RawServer; store: Store; calls: () => number }> {
  let calls = -1;
  const server = await RawServer.start({
    hello: (link) => link.settings([setting.maxConcurrentStreams, 10]),
    onFrame: ({ type, id }, link) => {
      if (type !== frameType.data) return;
      calls += 1;
      if (calls === 0) link.answer(id, '');
      else onCall(link, id, calls);
    },
  });
  undo.push(() => server.close());
  const store = await openEtcd3Store({ hosts: server.endpoint, transport: 'http2' });
  undo.push(() => store.close());
  return { server, store, calls: () => calls };
}

const write = txnOf({ success: [put('k', 'v')] });
const read = txnOf({ success: [get('k')] });

describe('a write', () => {
  it('that a server has not seen as it goes away is sent again over another connection', async () => {
    const { server, store, calls } = await storeOn((link, id, count) => {
      if (count === 1) link.goAway(id - 2);
      else link.answer(id, '');
    });
    expect((await store.txn(write)).revision).toBe(0);
    expect(server.links).toHaveLength(2);
    expect(calls()).toBe(2);
  });

  it('that a server refuses is sent again, and not for ever', async () => {
    let refusals = 1;
    const { store, calls } = await storeOn((link, id) => {
      if (refusals > 0) link.send(frameType.reset, 0, id, uint32(errorCode.refusedStream));
      else link.answer(id, '');
      refusals -= 1;
    });
    expect((await store.txn(write)).revision).toBe(0);
    refusals = Number.POSITIVE_INFINITY;
    const before = calls();
    await expect(store.txn(write)).rejects.toMatchObject({ code: 'unavailable', outcome: 'not-applied' });
    expect(calls() - before).toBe(2);
  });

  it('that may have been seen is never sent again', async () => {
    const { store, calls } = await storeOn((link) => link.socket.resetAndDestroy());
    await expect(store.txn(write)).rejects.toMatchObject({ code: 'unavailable', outcome: 'unknown' });
    expect(calls()).toBe(1);
  });

  it('whose server goes away having seen it, and says no more, is unknown', async () => {
    const { store, calls } = await storeOn((link, id) => {
      link.goAway(id);
      setTimeout(() => link.socket.destroy(), 20);
    });
    await expect(store.txn(write)).rejects.toMatchObject({ code: 'unavailable', outcome: 'unknown' });
    expect(calls()).toBe(1);
  });

  it('whose stream the server breaks is unknown', async () => {
    const { store, calls } = await storeOn((link, id) =>
      link.send(frameType.reset, 0, id, uint32(errorCode.internal)),
    );
    await expect(store.txn(write)).rejects.toMatchObject({ code: 'internal', outcome: 'unknown' });
    expect(calls()).toBe(1);
  });
});

describe('a read', () => {
  it('is asked again once, whatever became of it', async () => {
    const { store, calls } = await storeOn((link, id, count) => {
      if (count === 1) link.socket.resetAndDestroy();
      else link.answer(id, '');
    });
    expect((await store.txn(read)).succeeded).toBe(false);
    expect(calls()).toBe(2);
  });
});
