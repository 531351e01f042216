import { describe, expect, it } from 'vitest';
import {
  explore,
  faultKinds,
  randomFaults,
  replay,
  type Scenario,
  ScenarioFailed,
  SeededRandom,
} from '../../src/simulator/index.js';
import { compare, put, textOf, txnOf } from '../../src/store/index.js';

const upTo = 5;

/** Two processes count in a key each. A reply that was lost is taken for a failure, or looked into. */
function counting({ careful }: { careful: boolean }): () => Scenario {
  return () => ({
    start(simulation) {
      for (const name of ['a', 'b']) {
        simulation.start(name, async ({ store, runtime, incarnation }) => {
          let counted = 0;
          while (counted < upTo && (careful || incarnation === 0)) {
            await new Promise<void>((resolve) => runtime.setTimer(300, resolve));
            const read = await store.range({ key: name }).catch(() => undefined);
            if (read === undefined) continue;
            const [kv] = read.kvs;
            const value = kv === undefined ? 0 : Number(textOf(kv.value));
            if (careful) counted = value;
            if (counted >= upTo) break;
            const request = txnOf({
              compare: [compare.mod(name, 'equal', kv?.modRevision ?? 0)],
              success: [put(name, String(value + 1))],
            });
            const reply = await store.txn(request).catch(() => undefined);
            if (reply?.succeeded) counted += 1;
          }
        });
      }
    },
    check({ engine }) {
      for (const name of ['a', 'b']) {
        const value = Number(textOf(engine.range({ key: name }).kvs[0]?.value ?? new Uint8Array()));
        if (value > upTo) throw new Error(`${name} counted to ${value} instead of ${upTo}`);
      }
    },
  });
}

describe('explore', () => {
  it('finds the fault that a careless program does not survive, and leaves out the others', async () => {
    const failure = await explore(counting({ careful: false }), { runs: 300 }).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(ScenarioFailed);
    if (!(failure instanceof ScenarioFailed)) return;
    expect(failure.message).toMatch(/counted to \d+ instead of 5/);
    expect(failure.plan.faults.length).toBe(1);
    expect(failure.message).toContain(failure.plan.faults[0]?.kind);
    expect(failure.timeline.length).toBeGreaterThan(50);
    const again = await replay(counting({ careful: false }), failure.plan);
    expect(again.timeline).toEqual(failure.timeline);
    expect(String(again.failure?.error)).toMatch(/counted to \d+/);
  });

  it('lets a careful program pass, and tells what it went through', async () => {
    const { runs, virtualHours, faultsInjected } = await explore(counting({ careful: true }), { runs: 200 });
    expect(runs).toBe(200);
    expect(virtualHours).toBeGreaterThan(0.5);
    for (const what of ['reply lost', 'request lost', 'crash', 'pause', 'cut-link', 'leader changed']) {
      expect(faultsInjected.get(what), what).toBeGreaterThan(0);
    }
  });

  it('says who is still busy when time is up', async () => {
    const scenario = () => ({
      start: (simulation: Parameters<Scenario['start']>[0]) => {
        simulation.start('sleepy', () => new Promise<void>(() => {}));
      },
    });
    await expect(explore(scenario, { runs: 1, livenessMs: 1_000 })).rejects.toThrow(
      'still pending 1000 ms after the healing: sleepy is running',
    );
  });

  it('passes on what a process failed with', async () => {
    const scenario = () => ({
      start: (simulation: Parameters<Scenario['start']>[0]) => {
        simulation.start('p', async () => {
          throw new Error('a bug');
        });
      },
    });
    await expect(explore(scenario, { runs: 1 })).rejects.toThrow('with seed 1 and no faults: a bug');
  });
});

describe('randomFaults', () => {
  it('draws every kind but the one that no client survives, and leaves some out of each run', () => {
    const seen = new Set<string>();
    for (let seed = 1; seed <= 300; seed += 1) {
      const windows = randomFaults(new SeededRandom(seed));
      expect(windows.length).toBeLessThanOrEqual(6);
      for (const { kind } of windows) seen.add(kind);
    }
    expect([...seen].sort()).toEqual(faultKinds.filter((kind) => kind !== 'stale-leader').sort());
  });

  it('keeps to the kinds that it is given', () => {
    for (let seed = 1; seed <= 50; seed += 1) {
      for (const { kind } of randomFaults(new SeededRandom(seed), { kinds: ['pause'] }))
        expect(kind).toBe('pause');
    }
    expect(randomFaults(new SeededRandom(1), { kinds: [] })).toEqual([]);
  });
});
