import { describe, expect, it } from 'vitest';
import { Simulation } from '../../src/simulator/index.js';
import { put } from '../../src/store/index.js';

describe('a watch that fell silent', () => {
  it.each([1, 2, 3, 4, 5])('goes on in order, overtaken by nothing (seed %i)', async (seed) => {
    const simulation = new Simulation({ seed, latencyMs: { min: 0.2, max: 50 } });
    simulation.inject({ atMs: 300, durationMs: 700, kind: 'silent-watches', target: 0 });
    const seen: number[] = [];
    simulation.start('reader', async ({ store }) => {
      for await (const item of store.watch({ key: 'k' })) {
        if (item.type === 'events') seen.push(...item.events.map(({ kv }) => kv.modRevision));
      }
    });
    await simulation.run(200);
    const writer = simulation.connect();
    for (let written = 0; written < 400; written += 1) {
      void writer.txn({ compare: [], success: [put('k', `${written}`)], failure: [] });
      await simulation.run(5);
    }
    await simulation.run(1_000);
    expect(seen).toEqual(simulation.history.map(({ revision }) => revision));
    expect(seen.length).toBe(400);
  });
});
