import { Client, CyclicBarrier } from 'quorate';
import { type ProcessContext, Simulation } from 'quorate/simulator';

/** Computes its part of each step, and waits for the others. One of them dies after the first step. */
function worker(name: string, diesAfter?: number) {
  return async ({ store, runtime }: ProcessContext) => {
    const client = await Client.open({ store, runtime, label: name });
    const barrier = new CyclicBarrier(client, 'steps', {
      parties: 3,
      deadMembers: 'shrink',
      action: ({ generation }) => console.log(`the parts of step ${generation} are put together`),
    });
    for (let step = 0; step < 3; step += 1) {
      await barrier.arriveAndAwait({ timeoutMs: 60_000 });
      if (step === diesAfter) return client.close();
    }
    console.log(`${name} has done all steps`);
  };
}

// Three machines, on a cluster in virtual time.
const simulation = new Simulation({ seed: 1 });
const workers = [worker('first'), worker('second'), worker('third', 0)];
const processes = workers.map((work, index) => simulation.start(`machine ${index}`, work));
await simulation.runUntil(() => processes.every(({ status }) => status === 'finished'), 60_000);
