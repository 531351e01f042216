import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { Election, type Leadership } from '../../src/election/index.js';
import { put, textOf } from '../../src/store/index.js';
import { testClients } from '../support/clients.js';
import { hookedStore } from '../support/hooked-store.js';
import { describeStores } from '../support/stores.js';

describeStores('hand-off of a leadership', (server) => {
  /** One who leads, and two who stand behind it. */
  async function scene() {
    const clients = testClients(server);
    const elections: Election[] = [];
    for (const label of ['a', 'b', 'c']) elections.push(new Election(await clients.open({ label }), 'e'));
    const [first, second, third] = elections as [Election, Election, Election];
    const leader = await first.campaign({ value: 'first' });
    const candidates: Promise<Leadership>[] = [];
    for (const election of [second, third]) {
      candidates.push(election.campaign({ value: `value of ${candidates.length}` }));
      await expect.poll(async () => (await first.inspect()).waiting.length).toBe(candidates.length);
    }
    const [next, last] = candidates as [Promise<Leadership>, Promise<Leadership>];
    return { first, leader, next, last, clients };
  }

  it('LOCK-10 makes the one that is named lead, with its value, and no moment is without a leader', async () => {
    const { first, leader, next, last } = await scene();
    const statuses: string[] = [];
    const stop = new AbortController();
    const observing = (async () => {
      for await (const view of first.observe({ signal: stop.signal })) {
        statuses.push(view.status === 'leader' ? `${view.label}: ${textOf(view.value)}` : view.status);
      }
    })();
    await expect.poll(() => statuses).toEqual(['a: first']);
    await leader.checkpoint('as far as this');
    expect(await leader.handOff('c')).toBe(true);
    const led = await last;
    await expect.poll(() => statuses).toEqual(['a: first', 'c: value of 1']);
    expect(led.term).toBeGreaterThan(leader.term);
    expect(textOf(led.lastCheckpoint ?? new Uint8Array())).toBe('as far as this');
    expect([leader.isLeader, leader.signal.aborted]).toEqual([false, false]);
    await expect(leader.txn({ success: [put('x', 'late')] })).rejects.toMatchObject({ code: 'hold-lost' });
    await led.proclaim('well');
    await expect.poll(() => statuses.at(-1)).toBe('c: well');
    await led.resign();
    const after = await next;
    expect(after.term).toBeGreaterThan(led.term);
    await after.resign();
    stop.abort();
    await observing;
  });

  it('goes on leading where nobody of that name stands', async () => {
    const { leader, next, last } = await scene();
    expect(await leader.handOff('nobody')).toBe(false);
    expect(leader.isLeader).toBe(true);
    await leader.checkpoint('still here');
    await leader.resign();
    await (await next).resign();
    await (await last).resign();
    await expect(leader.handOff('b')).rejects.toMatchObject({ code: 'hold-lost' });
  });

  it('resigns where its signal is aborted already, as it would a moment later', async () => {
    const { leader, next, last } = await scene();
    await expect(leader.handOff('c', { timeoutMs: -1 })).rejects.toMatchObject({ code: 'invalid-argument' });
    expect(leader.isLeader).toBe(true);
    const aborted = leader.handOff('c', { signal: AbortSignal.abort() });
    await expect(aborted).rejects.toMatchObject({ code: 'aborted' });
    expect([leader.isLeader, leader.signal.aborted]).toEqual([false, false]);
    for (const candidate of [next, last]) await (await candidate).resign();
  });

  it('ends the work of who hands it on, as if it had resigned', async () => {
    const clients = testClients(server);
    const [one, other] = [await clients.open({ label: 'one' }), await clients.open({ label: 'other' })];
    const [leads, waits] = [new Election(one, 'e'), new Election(other, 'e')];
    let candidate: Promise<Leadership> | undefined;
    const result = await leads.lead(async ({ leadership, signal }) => {
      candidate = waits.campaign();
      await expect.poll(async () => (await leads.inspect()).waiting.length).toBe(1);
      expect(await leadership.handOff('other')).toBe(true);
      return signal.aborted;
    });
    expect(result).toBe(false);
    await (await candidate)?.resign();
  });

  it('leaves what is said of the next leader alone, where it resigns as it hands the term on', async () => {
    const hooked = hookedStore(await server.connect());
    const clients = testClients(server);
    const client = await clients.open({ store: hooked.store, label: 'one' });
    const election = new Election(client, 'e');
    const leader = await election.campaign();
    const candidate = election.campaign();
    await expect.poll(async () => (await election.inspect()).waiting.length).toBe(1);
    let resigned: Promise<void> | undefined;
    hooked.hook = async (_request, send) => {
      const reply = await send();
      resigned ??= leader.resign();
      // The term is handed on, and who did that does not know it yet.
      await delay(20);
      return reply;
    };
    expect(await leader.handOff('one')).toBe(true);
    await resigned;
    hooked.hook = undefined;
    const next = await candidate;
    const { kvs } = await client.store.range({ key: `${client.keys.prefix('election', 'e')}leader` });
    expect(kvs).toHaveLength(1);
    expect(next.isLeader).toBe(true);
    await next.resign();
  });
});
