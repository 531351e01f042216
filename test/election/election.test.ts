import { setTimeout as delay } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { Election, type LeaderView } from '../../src/election/index.js';
import { isQuorateError } from '../../src/errors.js';
import { put, remove, textOf } from '../../src/store/index.js';
import { testClients } from '../support/clients.js';
import { describeStores } from '../support/stores.js';

/** Collects what an observer is told, as `status:value`. */
function observed(election: Election): { views: LeaderView[]; words: string[] } {
  const controller = new AbortController();
  const views: LeaderView[] = [];
  const words: string[] = [];
  const reading = (async () => {
    for await (const view of election.observe({ signal: controller.signal })) {
      views.push(view);
      words.push(view.status === 'leader' ? `leader:${textOf(view.value)}` : view.status);
    }
  })();
  onTestFinished(async () => {
    controller.abort();
    await reading;
  });
  return { views, words };
}

describeStores('Election', (server) => {
  it('costs one request to win alone', async () => {
    const { client, counts } = await testClients(server).openCounted();
    await client.session();
    const election = new Election(client, 'e');
    counts.reset();
    const leadership = await election.campaign({ value: 'me' });
    expect(counts.calls).toMatchObject({ txn: 1, range: 0 });
    expect(leadership.isLeader).toBe(true);
    await leadership.resign();
    expect(counts.calls.txn).toBe(2);
    expect(leadership.isLeader).toBe(false);
  });

  it('ELECTION-1 one leader at a time, first come first served, ELECTION-2 terms strictly increase', async () => {
    const clients = testClients(server);
    const order: number[] = [];
    const terms: number[] = [];
    let leading = 0;
    const first = await new Election(await clients.open(), 'e').campaign();
    const candidates = await Promise.all(
      [1, 2, 3].map(async (number) => {
        const client = await clients.open();
        await client.session();
        return { number, election: new Election(client, 'e') };
      }),
    );
    const done: Promise<void>[] = [];
    for (const { number, election } of candidates) {
      done.push(
        election.lead(async ({ term }) => {
          leading += 1;
          expect(leading).toBe(1);
          order.push(number);
          terms.push(term);
          await delay(10);
          leading -= 1;
        }),
      );
      await expect.poll(async () => (await election.inspect()).waiting.length).toBe(number);
    }
    await first.resign();
    await Promise.all(done);
    expect(order).toEqual([1, 2, 3]);
    expect([first.term, ...terms]).toEqual([...new Set([first.term, ...terms])].sort((a, b) => a - b));
  });

  it('ELECTION-3 observers see every state that lasts: leader, proclamation, none', async () => {
    const clients = testClients(server);
    const { views, words } = observed(new Election(await clients.open(), 'e'));
    const election = new Election(await clients.open({ label: 'alice' }), 'e');
    await expect.poll(() => words).toEqual(['none']);
    const leadership = await election.campaign({ value: 'one' });
    await expect.poll(() => words).toEqual(['none', 'leader:one']);
    await leadership.proclaim('two');
    await expect.poll(() => words).toEqual(['none', 'leader:one', 'leader:two']);
    await leadership.resign();
    await expect.poll(() => words).toEqual(['none', 'leader:one', 'leader:two', 'none']);
    const said = views.filter((view) => view.status === 'leader');
    expect(said.map(({ term, label }) => ({ term, label }))).toEqual([
      { term: leadership.term, label: 'alice' },
      { term: leadership.term, label: 'alice' },
    ]);
  });

  it('ELECTION-4 a checkpoint reaches the next leader', async () => {
    const clients = testClients(server);
    const first = await new Election(await clients.open(), 'e').campaign();
    expect(first.lastCheckpoint).toBeUndefined();
    await first.checkpoint('page 7');
    const candidate = new Election(await clients.open(), 'e');
    const second = candidate.campaign();
    await expect.poll(async () => (await candidate.inspect()).waiting.length).toBe(1);
    await first.checkpoint('page 8');
    await first.resign();
    const next = await second;
    expect(textOf(next.lastCheckpoint ?? new Uint8Array())).toBe('page 8');
    await next.resign();
    const last = await new Election(await clients.open(), 'e').campaign();
    expect(textOf(last.lastCheckpoint ?? new Uint8Array())).toBe('page 8');
  });

  it('ELECTION-5 a deposed leader can write nothing', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const election = new Election(client, 'e');
    const leadership = await election.campaign({ value: 'old' });
    const guard = leadership.guard();
    await client.store.txn({ compare: [], success: [remove(guard.key)], failure: [] });
    const next = await new Election(await clients.open(), 'e').campaign({ value: 'new' });
    for (const attempt of [leadership.proclaim('x'), leadership.checkpoint('x')]) {
      const error: unknown = await attempt.catch((caught: unknown) => caught);
      expect(isQuorateError(error) && ['fenced', 'hold-lost'].includes(error.code)).toBe(true);
    }
    const direct = await client.store.txn({ compare: [guard], success: [put('x', 'x')], failure: [] });
    expect(direct.succeeded).toBe(false);
    expect(leadership.signal.aborted).toBe(true);
    await leadership.resign();
    expect(next.isLeader).toBe(true);
    const { words } = observed(election);
    await expect.poll(() => words).toEqual(['leader:new']);
  });

  it('lead() stops its work when the term is lost, and stands again', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const election = new Election(client, 'e');
    const terms: number[] = [];
    const result = election.lead(async ({ term, signal, leadership }) => {
      terms.push(term);
      if (terms.length === 2) return 'done';
      const stopped = new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      await client.store.txn({ compare: [], success: [remove(leadership.guard().key)], failure: [] });
      await stopped;
      throw new Error('stopped midway');
    });
    expect(await result).toBe('done');
    expect(terms[1]).toBeGreaterThan(terms[0] ?? 0);
  });

  it('lead() passes on what its work throws within the term, and resigns', async () => {
    const clients = testClients(server);
    const election = new Election(await clients.open(), 'e');
    const failing = election.lead(() => {
      throw new Error('the work failed');
    });
    await expect(failing).rejects.toThrow('the work failed');
    const next = await election.campaign({ timeoutMs: 5_000 });
    await next.resign();
  });

  it('a cancelled campaign leaves nothing behind', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const leadership = await new Election(client, 'e').campaign();
    const rival = new Election(await clients.open(), 'e');
    await expect(rival.campaign({ timeoutMs: 1 })).rejects.toMatchObject({ code: 'timeout' });
    await expect(rival.campaign({ timeoutMs: 40 })).rejects.toMatchObject({ code: 'timeout' });
    const line = {
      key: `${client.keys.prefix('election', 'e')}l/`,
      rangeEnd: `${client.keys.prefix('election', 'e')}l0`,
    };
    await leadership.resign();
    await (await rival.campaign()).resign();
    // What was given up may have been on its way to the store still, and is taken back as soon as it is there.
    await expect.poll(async () => (await client.store.range(line)).count).toBe(0);
  });

  it('refuses nonsense at once', async () => {
    const client = await testClients(server).open();
    expect(() => new Election(client, '')).toThrow(/accepted/);
    const election = new Election(client, 'e');
    await expect(election.campaign({ value: 4 as unknown as string })).rejects.toMatchObject({
      code: 'invalid-argument',
    });
    await expect(election.campaign({ timeoutMs: 0 })).rejects.toMatchObject({ code: 'invalid-argument' });
    await expect(election.campaign({ signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'aborted',
    });
  });
});
