import { describe, expect, it } from 'vitest';
import { Simulation } from '../../src/simulator/index.js';

describe('a watch at a member without a leader', () => {
  it('is ended though the member had lost sight of the leader long before it was opened', async () => {
    const simulation = new Simulation({ seed: 3, members: 3 });
    for (const target of [0, 1]) {
      simulation.inject({ atMs: 0, durationMs: 40_000, kind: 'member-isolated', target });
    }
    const seen: string[] = [];
    await simulation.run(20_000);
    simulation.start('watcher', async ({ store }) => {
      for await (const item of store.watch({ key: 'k', resume: 'now' })) seen.push(item.type);
    });
    await simulation.run(10_000);
    expect(seen.filter((type) => type === 'interrupted').length).toBeGreaterThan(0);
    await simulation.run(20_000);
    expect(seen.at(-1)).toBe('opened');
  });
});
