import { Client, Phaser } from 'quorate';
import { type ProcessContext, Simulation } from 'quorate/simulator';

/** Takes part in so many phases of an import, from the one that goes on when it comes. */
function importer(name: string, phases: number) {
  return async ({ store, runtime }: ProcessContext) => {
    const client = await Client.open({ store, runtime, label: name });
    await using member = await new Phaser(client, 'import').register();
    console.log(`${name} takes part from phase ${member.phase} on`);
    for (let done = 0; done < phases; done += 1) {
      await member.arriveAndAwait({ timeoutMs: 60_000 });
    }
    console.log(`${name} leaves`);
  };
}

// A coordinator that holds phase 0 until all have come, and three machines, on a cluster in virtual time.
const simulation = new Simulation({ seed: 1 });
const coordinator = simulation.start('coordinator', async ({ store, runtime }) => {
  const phaser = new Phaser(await Client.open({ store, runtime, label: 'coordinator' }), 'import');
  const member = await phaser.register();
  while ((await phaser.inspect()).registered < 4) {
    await new Promise<void>((resolve) => runtime.setTimer(10, resolve));
  }
  await member.arriveAndDeregister();
  for (let phase = 0; phase < 3; phase = await phaser.awaitAdvance(phase)) {
    console.log(`phase ${phase}`);
  }
});
const importers = [importer('first', 1), importer('second', 3), importer('third', 3)];
const processes = importers.map((work, index) => simulation.start(`machine ${index}`, work));
const all = [coordinator, ...processes];
await simulation.runUntil(() => all.every(({ status }) => status === 'finished'), 60_000);
