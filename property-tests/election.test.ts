import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Election, type LeaderView } from '../src/election/index.js';
import { isQuorateError } from '../src/errors.js';
import { MemoryServer } from '../src/memory/index.js';
import { Client } from '../src/session/index.js';
import { type Key, prefixRange, remove, textOf } from '../src/store/index.js';
import { cuttingWatches } from '../test/support/cut-watches.js';
import { faultyStore, seededRandom } from '../test/support/faulty-store.js';
import { livesOf, RecordedHistory } from '../test/support/history.js';
import { propertyRuns } from '../test/support/property-runs.js';

/**
 * Candidates lead in turn and count up a checkpoint, over a store that loses, repeats and delays, while an administrator
 * deposes leaders and revokes leases and watches are cut. What happened is judged by the store's own history.
 */
const plans = fc.record({
  seed: fc.nat(),
  processes: fc.integer({ min: 2, max: 4 }),
  termsEach: fc.integer({ min: 1, max: 3 }),
  rates: fc.record({
    delay: fc.constantFrom(0, 0.2),
    refuse: fc.constantFrom(0, 0.1),
    'lose-request': fc.constantFrom(0, 0.1),
    'lose-reply': fc.constantFrom(0, 0.15),
    late: fc.constantFrom(0, 0.15),
  }),
  trouble: fc.array(
    fc.record({
      atMs: fc.integer({ min: 0, max: 60 }),
      kind: fc.constantFrom('cut-watches', 'compact', 'depose', 'revoke'),
      process: fc.nat({ max: 3 }),
    }),
    { maxLength: 6 },
  ),
});
type Plan = typeof plans extends fc.Arbitrary<infer P> ? P : never;

interface TermSeen {
  readonly term: number;
  readonly place: Key;
  readonly lastCheckpoint: string | undefined;
}

const reached = { handedOver: 0, deposed: 0, checkpointFound: 0, observedUnknown: 0, faults: 0 };

async function run(plan: Plan) {
  const random = seededRandom(plan.seed);
  const server = new MemoryServer();
  const recorded = new RecordedHistory(server.connect());
  const terms: TermSeen[] = [];
  const clients: Client[] = [];
  const cuts: ((downMs: number) => void)[] = [];
  const stores = Array.from({ length: plan.processes }, (_, index) =>
    faultyStore(server.connect(), { seed: plan.seed + index, rates: plan.rates }),
  );
  for (const store of stores) {
    const cutting = cuttingWatches(store);
    cuts.push(cutting.cut);
    clients.push(await Client.open({ store: cutting.store, namespace: 'p', lanes: 2 }));
  }
  const admin = server.connect();
  const [first] = clients;
  if (first === undefined) throw new Error('no process');
  const prefix = first.keys.prefix('election', 'e');
  const views: LeaderView[] = [];
  const stopObserving = new AbortController();
  const observing = (async () => {
    for await (const view of new Election(first, 'e').observe({ signal: stopObserving.signal }))
      views.push(view);
  })();
  const work = clients.map(async (client) => {
    const election = new Election(client, 'e');
    for (let round = 0; round < plan.termsEach; round += 1) {
      await election.lead(async ({ term, leadership }) => {
        const { lastCheckpoint } = leadership;
        const found = lastCheckpoint && textOf(lastCheckpoint);
        terms.push({ term, place: leadership.guard().key, lastCheckpoint: found });
        for (let step = 0; step < 2; step += 1) {
          try {
            await leadership.checkpoint(`${term}:${step}`);
            await leadership.proclaim(`step ${step}`);
          } catch (error) {
            if (!isQuorateError(error)) throw error;
          }
          await delay(0);
        }
        if (leadership.signal.aborted) reached.deposed += 1;
      });
    }
  });
  const trouble = plan.trouble.map(async ({ atMs, kind, process }) => {
    await delay(atMs);
    const at = process % plan.processes;
    if (kind === 'compact') {
      const { revision } = await admin.range({ key: 'x' });
      await admin.compact(revision).catch(() => {});
    } else if (kind === 'cut-watches') cuts[at]?.(random() * 20);
    else if (kind === 'depose') {
      const line = prefixRange(`${prefix}l/`);
      const { kvs } = await admin.range({ ...line, limit: 1, sort: { target: 'create', order: 'ascend' } });
      if (kvs[0]) await admin.txn({ compare: [], success: [remove(kvs[0].key)], failure: [] });
    } else {
      const session = await clients[at]?.session();
      if (session) await admin.leaseRevoke(session.leaseId).catch(() => {});
    }
  });
  await Promise.all(trouble);
  for (const store of stores) store.heal();
  await Promise.all(work);
  for (const store of stores) await store.releaseHeld();
  const last = await new Election(first, 'e').campaign({ value: 'the last' });
  for (let look = 0; look < 500 && !isLast(views.at(-1), last.term); look += 1) await delay(10);
  const finalView = views.at(-1);
  stopObserving.abort();
  await observing;
  const { revision } = await admin.range({ key: 'x' });
  const history = await recorded.endAt(revision);
  for (const store of stores)
    reached.faults += store.seen['lose-reply'] + store.seen.late + store.seen['lose-request'];
  const lastTerm = last.term;
  await Promise.all(clients.map((client) => client.close()));
  await server.close();
  return { terms, history, prefix, views, finalView, lastTerm };
}

function isLast(view: LeaderView | undefined, term: number): boolean {
  return view?.status === 'leader' && view.term === term;
}

describe('Election under faults', () => {
  const timeout = 120_000 * Number(process.env.QUORATE_RUNS_FACTOR ?? 1);
  it('ELECTION-1 to ELECTION-5 hold by the history of the store', { timeout }, async () => {
    await fc.assert(
      fc.asyncProperty(plans, async (plan) => {
        const { terms, history, prefix, views, finalView, lastTerm } = await run(plan);
        const lives = livesOf(history, `${prefix}l/`);
        const states = history.filter(({ kv }) => kv.key === `${prefix}state`);
        for (const { term, place, lastCheckpoint } of terms) {
          const won = Math.floor(term / 1_024);
          const life = lives.find(({ key, from, to }) => key === place && from <= won && won < to);
          expect(life, 'the place stood at the win').toBeDefined();
          for (const other of lives) {
            const older = life !== undefined && other.from < life.from && other.to > won;
            expect(older, 'ELECTION-1 no older candidate stood at the win').toBe(false);
          }
          const before = states.filter(({ kv }) => kv.modRevision <= won).at(-1);
          expect(lastCheckpoint, 'ELECTION-4 the checkpoint is the newest before the win').toBe(
            before && textOf(before.kv.value),
          );
          if (before) reached.checkpointFound += 1;
        }
        const wonAt = terms.map(({ term }) => term);
        expect(new Set(wonAt).size, 'ELECTION-2 no term twice').toBe(wonAt.length);
        let newest = 0;
        for (const { kv } of states) {
          const term = Number(textOf(kv.value).split(':')[0]);
          expect(term, 'ELECTION-5 no write of an older term after one of a newer').toBeGreaterThanOrEqual(
            newest,
          );
          newest = term;
        }
        let seen = 0;
        for (const view of views) {
          if (view.status === 'unknown') reached.observedUnknown += 1;
          if (view.status !== 'leader') continue;
          expect(view.term, 'ELECTION-3 an observer never goes back').toBeGreaterThanOrEqual(seen);
          seen = view.term;
        }
        expect(finalView, 'ELECTION-3 an observer ends at the last leader').toMatchObject({ term: lastTerm });
        if (new Set(terms.map(({ place }) => place)).size > 1) reached.handedOver += 1;
      }),
      propertyRuns(50),
    );
    for (const [what, times] of Object.entries(reached))
      expect(times, `never reached: ${what}`).toBeGreaterThan(0);
  });
});
