import { expect, it } from 'vitest';
import { type Hold, Mutex } from '../../src/locks/index.js';
import { Client } from '../../src/session/index.js';
import { type ProcessContext, Simulation } from '../../src/simulator/index.js';

it.each([1, 2, 3, 4, 5])(
  'a hold whose lease ended in a standstill does not say that somebody deleted it (seed %i)',
  async (seed) => {
    const simulation = new Simulation({ seed });
    const holds: Hold[] = [];
    const take = async ({ store, runtime }: ProcessContext) => {
      const client = await Client.open({ store, runtime, ttlMs: 3_000 });
      holds.push(await new Mutex(client, 'l').acquire());
      await new Promise(() => {});
    };
    const first = simulation.start('first', take);
    await simulation.runUntil(() => holds.length === 1, 10_000);
    simulation.start('second', take);
    await simulation.run(1_000);
    const pause = first.pause();
    await simulation.runUntil(() => holds.length === 2, 60_000);
    pause.resume();
    await simulation.runUntil(() => holds[0]?.signal.aborted === true, 10_000);
    const { message } = (holds[0] as Hold).signal.reason as Error;
    expect(message).not.toContain('was deleted by');
  },
);
