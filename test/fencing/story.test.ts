import { describe, expect, it } from 'vitest';
import { isQuorateError } from '../../src/errors.js';
import { FencedResources, Mutex } from '../../src/locks/index.js';
import { type Runtime, sleep } from '../../src/runtime/index.js';
import { Client } from '../../src/session/index.js';
import {
  explore,
  type ProcessContext,
  type RandomFaultsOptions,
  type Scenario,
  ScenarioFailed,
} from '../../src/simulator/index.js';

/** How a request reaches the store of the shops, which knows nothing of etcd. */
type Deliver = <T>(what: 'read' | 'write', token: number, work: () => T) => Promise<T>;

interface Counts {
  sold: number;
  refused: number;
}

/** Sells under the lock, with a read and a write that each take their time on the way to the store. */
async function sell(
  { store, runtime }: ProcessContext,
  stock: { units: number },
  deliver: Deliver,
  counts: Counts,
) {
  const client = await Client.open({ store, runtime, ttlMs: 2_000, connectTimeoutMs: 60_000 });
  const mutex = new Mutex(client, 'stock');
  for (let sale = 0; sale < 3; sale += 1) {
    const hold = await mutex.acquire();
    try {
      await onTheWay(runtime);
      const units = await deliver('read', hold.token, () => stock.units);
      // It looks once more before it writes, and then the write is on its way.
      if (!hold.isHeld) continue;
      await onTheWay(runtime);
      await deliver('write', hold.token, () => {
        stock.units = units - 1;
        counts.sold += 1;
      });
    } catch (error) {
      if (!isQuorateError(error, 'fenced')) throw error;
      counts.refused += 1;
    } finally {
      await hold.release();
    }
  }
}

/** Mostly soon, now and then later than a lease lasts. */
function onTheWay(runtime: Runtime): Promise<void> {
  return sleep(runtime, runtime.random() * (runtime.random() < 0.3 ? 3_000 : 100));
}

/** Processes that stand still, crash and are cut off, which is what makes leases end. */
const faults = {
  kinds: ['pause', 'sleep', 'crash', 'cut-link', 'lost-keep-alives'],
} satisfies RandomFaultsOptions;

/** Three shops, with faults; at the end no sale may be missing in the stock. */
function shops(makeDeliver: () => Deliver, counts: Counts): () => Scenario {
  return () => {
    const stock = { units: 100 };
    const mine = { sold: 0, refused: 0 };
    const deliver = makeDeliver();
    return {
      start(simulation) {
        for (const name of ['a', 'b', 'c']) {
          simulation.start(name, (context) =>
            sell(context, stock, deliver, mine).catch((error) => {
              if (!isQuorateError(error)) throw error;
            }),
          );
        }
      },
      check() {
        counts.sold += mine.sold;
        counts.refused += mine.refused;
        const missing = 100 - stock.units;
        if (missing !== mine.sold)
          throw new Error(`sold ${mine.sold}, and ${missing} are missing in the stock`);
      },
    };
  };
}

describe('a store of its own under a lock, while processes pause, crash and lose their connections', () => {
  it('loses no sale where it checks the token', async () => {
    const counts = { sold: 0, refused: 0 };
    const fenced = (): Deliver => {
      const fences = new FencedResources();
      return (_what, token, work) => fences.run('stock', token, work);
    };
    await explore(shops(fenced, counts), { runs: 100, faults });
    expect(counts.sold).toBeGreaterThan(300);
    expect(counts.refused).toBeGreaterThan(5);
  }, 180_000);

  it('loses some where it does not, though every holder looks before it writes', async () => {
    const trusting = (): Deliver => async (_what, _token, work) => work();
    const failure = await explore(shops(trusting, { sold: 0, refused: 0 }), { runs: 150, faults }).catch(
      (error) => error,
    );
    expect(failure).toBeInstanceOf(ScenarioFailed);
    expect(failure.message).toContain('are missing in the stock');
  }, 180_000);

  it('loses some where only the writes bring the token: what was read before may be changed by a late write', async () => {
    const halfFenced = (): Deliver => {
      const fences = new FencedResources();
      return async (what, token, work) => (what === 'read' ? work() : fences.run('stock', token, work));
    };
    const scenario = shops(halfFenced, { sold: 0, refused: 0 });
    const failure = await explore(scenario, { runs: 1_000, faults }).catch((error) => error);
    expect(failure).toBeInstanceOf(ScenarioFailed);
    expect(failure.message).toContain('are missing in the stock');
  }, 180_000);
});
