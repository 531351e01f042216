import { expect, it } from 'vitest';
import { Simulation } from '../../src/simulator/index.js';
import { put } from '../../src/store/index.js';

it.each([1, 2, 3, 4, 5, 6])(
  'a watch opened at a member that has yet to apply the last write is told of it without another (seed %i)',
  async (seed) => {
    const simulation = new Simulation({ seed });
    for (const target of [0, 1, 2]) {
      simulation.inject({ atMs: 0, durationMs: 60_000, kind: 'member-lag', target });
    }
    await simulation.run(10);
    void simulation.connect().txn({ compare: [], success: [put('k', '1')], failure: [] });
    await simulation.run(10);
    const positions: number[] = [];
    simulation.start('reader', ({ store }) => {
      for (let index = 0; index < 10; index += 1) {
        void (async () => {
          for await (const item of store.watch({ key: 'k' })) {
            if (item.type === 'opened' || item.type === 'events') positions[index] = item.revision;
          }
        })();
      }
    });
    await simulation.run(5_000);
    expect(simulation.engine.revision).toBe(2);
    expect(positions).toEqual(Array.from({ length: 10 }, () => 2));
  },
);
