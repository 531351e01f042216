import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isQuorateError } from '../src/errors.js';
import { type Hold, Mutex } from '../src/locks/index.js';
import { MemoryServer } from '../src/memory/index.js';
import { Client } from '../src/session/index.js';
import { type Key, type KeyEvent, prefixRange, put, remove, textOf } from '../src/store/index.js';
import { cuttingWatches } from '../test/support/cut-watches.js';
import { faultyStore, seededRandom } from '../test/support/faulty-store.js';
import { livesOf, RecordedHistory } from '../test/support/history.js';
import { propertyRuns } from '../test/support/property-runs.js';

/**
 * Processes contend for one lock over a store that loses, repeats and delays, while an administrator deletes places and
 * revokes leases and watches are cut. What happened is then judged by the store's own history.
 */
const plans = fc.record({
  seed: fc.nat(),
  processes: fc.integer({ min: 2, max: 4 }),
  callers: fc.integer({ min: 1, max: 3 }),
  rounds: fc.integer({ min: 1, max: 4 }),
  sliceGrants: fc.integer({ min: 1, max: 3 }),
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
      kind: fc.constantFrom('cut-watches', 'compact', 'give-up', 'delete-oldest', 'revoke'),
      process: fc.nat({ max: 3 }),
    }),
    { maxLength: 6 },
  ),
});
type Plan = typeof plans extends fc.Arbitrary<infer P> ? P : never;

interface Grant {
  readonly token: number;
  readonly place: Key;
}

const reached = { contended: 0, fenced: 0, lost: 0, gaveUp: 0, unawaited: 0, coalesced: 0, faults: 0 };

async function run(
  plan: Plan,
): Promise<{ grants: Grant[]; history: readonly KeyEvent[]; leftOver: number; line: Key }> {
  const random = seededRandom(plan.seed);
  const server = new MemoryServer();
  const recorded = new RecordedHistory(server.connect());
  const grants: Grant[] = [];
  const clients: Client[] = [];
  const impatient = Array.from({ length: plan.processes }, () => new AbortController());
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
  const line = `${first.keys.prefix('lock', 'm')}l/`;
  const resource = 'resource';
  const inside = async (hold: Hold) => {
    grants.push({ token: hold.token, place: hold.guard().key });
    await delay(random() < 0.5 ? 0 : 2);
    const write = hold.txn({ success: [put(resource, String(hold.token))] }).catch((error: unknown) => {
      if (!isQuorateError(error)) throw error;
      if (error.code === 'fenced') reached.fenced += 1;
    });
    // Some callers do not wait for their writes.
    if (hold.token % 3 > 0) await write;
    else reached.unawaited += 1;
    if (hold.signal.aborted) reached.lost += 1;
  };
  const work = clients.flatMap((client, index) => {
    const mutex = new Mutex(client, 'm', { sliceGrants: plan.sliceGrants, watchHoldAfterMs: 0 });
    return Array.from({ length: plan.callers }, async () => {
      for (let round = 0; round < plan.rounds; round += 1) {
        const signal = impatient[index]?.signal;
        try {
          const hold = await mutex.acquire(signal?.aborted ? {} : { signal });
          await inside(hold);
          await hold.release();
        } catch (error) {
          if (!isQuorateError(error, 'aborted')) throw error;
          reached.gaveUp += 1;
        }
      }
    });
  });
  const trouble = plan.trouble.map(async ({ atMs, kind, process }) => {
    await delay(atMs);
    const at = process % plan.processes;
    if (kind === 'compact') {
      const { revision } = await admin.range({ key: 'x' });
      await admin.compact(revision).catch(() => {});
    } else if (kind === 'cut-watches') cuts[at]?.(random() * 20);
    else if (kind === 'give-up') impatient[at]?.abort(new Error('gave up'));
    else if (kind === 'delete-oldest') {
      const { kvs } = await admin.range({
        ...prefixRange(line),
        limit: 1,
        sort: { target: 'create', order: 'ascend' },
      });
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
  // Who gave up last may still be leaving in the background.
  let leftOver = await admin.range(prefixRange(line));
  for (let look = 0; look < 300 && leftOver.count > 0; look += 1) {
    await delay(10);
    leftOver = await admin.range(prefixRange(line));
  }
  const { revision } = leftOver;
  const history = await recorded.endAt(revision);
  for (const store of stores)
    reached.faults += store.seen['lose-reply'] + store.seen.late + store.seen['lose-request'];
  await Promise.all(clients.map((client) => client.close()));
  await server.close();
  return { grants, history, leftOver: leftOver.count, line };
}

describe('Mutex under faults', () => {
  it('LOCK-1, LOCK-2, LOCK-4, LOCK-5 hold by the history of the store', {
    timeout: 120_000 * Number(process.env.QUORATE_RUNS_FACTOR ?? 1),
  }, async () => {
    await fc.assert(
      fc.asyncProperty(plans, async (plan) => {
        const { grants, history, leftOver, line } = await run(plan);
        const lives = livesOf(history, line);
        for (const { token, place } of grants) {
          const proof = Math.floor(token / 1_024);
          const life = lives.find(({ key, from, to }) => key === place && from <= proof && proof < to);
          expect(life, 'the place stood at its proof').toBeDefined();
          for (const other of lives) {
            const older = life !== undefined && other.from < life.from && other.to > proof;
            expect(older, 'LOCK-1 no older place stood at the proof of a hold').toBe(false);
          }
        }
        expect(new Set(grants.map(({ token }) => token)).size, 'LOCK-2 no token twice').toBe(grants.length);
        const calm = !plan.trouble.some(({ kind }) => kind === 'delete-oldest' || kind === 'revoke');
        const inOrder = grants.every(
          ({ token }, index) => index === 0 || token > (grants[index - 1]?.token ?? 0),
        );
        if (calm) expect(inOrder, 'LOCK-2 tokens strictly increase').toBe(true);
        const writes = history.filter(({ kv }) => kv.key === 'resource');
        let newest = 0;
        for (const { kv } of writes) {
          const token = Number(textOf(kv.value));
          expect(token, 'LOCK-5 no write of an older hold after one of a newer').toBeGreaterThanOrEqual(
            newest,
          );
          newest = token;
        }
        expect(leftOver, 'LOCK-4 nothing is left in the line').toBe(0);
        if (new Set(grants.map(({ place }) => place)).size > 1) reached.contended += 1;
        if (grants.some(({ token }) => token % 1_024 > 0)) reached.coalesced += 1;
      }),
      propertyRuns(60),
    );
    for (const [what, times] of Object.entries(reached))
      expect(times, `never reached: ${what}`).toBeGreaterThan(0);
  });
});
