import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Election } from '../../src/election/index.js';
import { QuorateError } from '../../src/errors.js';
import { MemoryServer } from '../../src/memory/index.js';
import { Client, type ClientOptions } from '../../src/session/index.js';
import { prefixRange, remove, type Store, txnOf } from '../../src/store/index.js';
import { countingStore } from '../support/counting-store.js';
import { cuttingWatches } from '../support/cut-watches.js';
import { gatedReads } from '../support/gated-reads.js';
import { hookedStore } from '../support/hooked-store.js';
import { ManualRuntime, settle } from '../support/manual-runtime.js';

async function openClient(store: Store, options: Partial<ClientOptions> = {}): Promise<Client> {
  const client = await Client.open({ store, namespace: 'n', ...options });
  onTestFinished(() => client.close());
  return client;
}

describe('Election, when things go wrong', () => {
  it('lead() stands again when its work outlived the term in a pause, and ended well', async () => {
    const runtime = new ManualRuntime();
    const election = new Election(await openClient(new MemoryServer().connect(), { runtime }), 'e');
    let terms = 0;
    const result = election.lead(() => {
      terms += 1;
      if (terms === 1) runtime.pass(60_000);
      return terms;
    });
    await expect.poll(() => terms).toBe(1);
    await runtime.advance(1_000);
    await settle();
    expect(await result).toBe(2);
  });

  it('lead() passes on a refusal that was not of its own term', async () => {
    const election = new Election(await openClient(new MemoryServer().connect()), 'e');
    let runs = 0;
    const result = election.lead(() => {
      runs += 1;
      throw new QuorateError('fenced', 'by the guard of a lock');
    });
    await expect(result).rejects.toMatchObject({ code: 'fenced' });
    expect(runs).toBe(1);
  });

  it('a win after a wait costs one request, and no read', async () => {
    const server = new MemoryServer();
    const counting = countingStore(server.connect());
    const [first, second] = [await openClient(server.connect()), await openClient(counting.store)];
    const leadership = await new Election(first, 'e').campaign();
    const next = new Election(second, 'e').campaign();
    await expect.poll(() => counting.counts.opened).toBe(1);
    // By then the reads that back a fresh watch have been made.
    await delay(150);
    counting.counts.reset();
    await leadership.resign();
    await next;
    await delay(50);
    expect(counting.counts.calls).toMatchObject({ txn: 1, range: 0 });
  });

  it('a leader whose place was deleted can resign in a store without space, and is named no longer', async () => {
    const server = new MemoryServer();
    const hooked = hookedStore(server.connect());
    const client = await openClient(hooked.store);
    const leadership = await new Election(client, 'e').campaign();
    hooked.hook = (request, send) => {
      if (!JSON.stringify(request).includes('"type":"put"')) return send();
      throw new QuorateError('no-space', 'database space exceeded', { outcome: 'unknown' });
    };
    const admin = server.connect();
    await admin.txn(txnOf({ success: [remove(leadership.guard().key)] }));
    await expect.poll(() => leadership.signal.aborted).toBe(true);
    await leadership.resign();
    const leader = `${client.keys.prefix('election', 'e')}leader`;
    expect((await admin.range({ key: leader })).count).toBe(0);
  });

  it('observe() returns while its reader waits', async () => {
    const election = new Election(await openClient(new MemoryServer().connect()), 'e');
    const views = election.observe()[Symbol.asyncIterator]();
    await views.next();
    const waiting = views.next();
    expect(await views.return?.()).toMatchObject({ done: true });
    expect(await waiting).toMatchObject({ done: true });
  });

  it('ELECTION-3 a read from before a cut does not end the doubt', async () => {
    const server = new MemoryServer();
    const cutting = cuttingWatches(server.connect());
    const reads = gatedReads(cutting.store);
    const [observer, candidate] = [await openClient(reads.store), await openClient(server.connect())];
    await new Election(candidate, 'e').campaign();
    reads.hold();
    const views = new Election(observer, 'e').observe()[Symbol.asyncIterator]();
    const first = views.next();
    await expect.poll(() => reads.kept).toBe(1);
    const mend = cutting.cut();
    expect((await first).value).toMatchObject({ status: 'unknown' });
    reads.letGo();
    const second = views.next();
    expect(await Promise.race([second, delay(100).then(() => 'quiet')])).toBe('quiet');
    mend();
    expect((await second).value).toMatchObject({ status: 'leader' });
    await views.return?.();
  });

  it('refuses what it cannot say', async () => {
    const election = new Election(await openClient(new MemoryServer().connect()), 'e');
    await expect(election.campaign({ value: new Uint8Array(2 ** 21) })).rejects.toMatchObject({
      code: 'request-too-large',
    });
    await expect(election.lead(3 as never)).rejects.toMatchObject({ code: 'invalid-argument' });
    expect(() => election.observe({ signal: {} as never })).toThrow(/accepted: an AbortSignal/);
    const leadership = await election.campaign();
    for (const value of [4, undefined, null, {}] as never[]) {
      await expect(leadership.proclaim(value)).rejects.toMatchObject({ code: 'invalid-argument' });
      await expect(leadership.checkpoint(value)).rejects.toMatchObject({ code: 'invalid-argument' });
    }
  });

  it('ELECTION-3 a leader whose place was deleted is not named any more, whoever stands next', async () => {
    const server = new MemoryServer();
    const [client, other] = [await openClient(server.connect()), await openClient(server.connect())];
    const views: string[] = [];
    const stop = new AbortController();
    const observing = (async () => {
      for await (const { status } of new Election(other, 'e').observe({ signal: stop.signal }))
        views.push(status);
    })();
    const leadership = await new Election(client, 'e').campaign();
    await expect.poll(() => views.at(-1)).toBe('leader');
    // Somebody waits at that moment, and never wins.
    const impatience = new AbortController();
    const waiting = new Election(other, 'e').campaign({ signal: impatience.signal });
    waiting.catch(() => {});
    const admin = server.connect();
    const line = prefixRange(`${client.keys.prefix('election', 'e')}l/`);
    await expect.poll(async () => (await admin.range(line)).count).toBe(2);
    impatience.abort();
    await admin.txn({ compare: [], success: [{ type: 'delete', ...line }], failure: [] });
    await expect.poll(() => leadership.signal.aborted).toBe(true);
    // It does not resign: it has lost.
    await expect.poll(() => views.at(-1)).toBe('none');
    stop.abort();
    await observing;
  });
});
