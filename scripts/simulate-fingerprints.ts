/**
 * Prints fingerprints of simulated runs: of every event, message and fault of clients that contend for a lock. The same
 * on every version of Node, or a run could not be replayed elsewhere.
 */
import { Client, Mutex } from 'quorate';
import { randomFaults, SeededRandom, Simulation } from 'quorate/simulator';

const runs = 40;

async function fingerprint(seed: number): Promise<string> {
  const simulation = new Simulation({ seed, clockRateError: 0.01, recordTimeline: true });
  for (const name of ['a', 'b', 'c']) {
    simulation.start(name, async ({ store, runtime, note }) => {
      const client = await Client.open({ store, runtime, ttlMs: 3_000, connectTimeoutMs: 600_000 });
      const mutex = new Mutex(client, 'lock');
      for (let round = 0; round < 5; round += 1) {
        const hold = await mutex.acquire();
        note(`holds with token ${hold.token}`);
        await new Promise<void>((resolve) => runtime.setTimer(50, resolve));
        await hold.release();
      }
      await client.close();
    });
  }
  const kinds = [
    'lossy-link',
    'late-link',
    'cut-link',
    'pause',
    'crash',
    'leader-change',
    'member-isolated',
  ] as const;
  for (const window of randomFaults(new SeededRandom(seed), { kinds })) simulation.inject(window);
  await simulation.run(12_000);
  simulation.heal();
  await simulation.run(20_000);
  return `${simulation.timeline.hash()} ${simulation.timeline.lines.length}`;
}

for (let seed = 1; seed <= runs; seed += 1) console.log(seed, await fingerprint(seed));
