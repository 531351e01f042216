import { Client, isQuorateError, Mutex } from 'quorate';
import { type ProcessContext, Simulation } from 'quorate/simulator';

/** Moves money: takes the lock of each account, one after the other, in whatever order they are named. */
async function transfer(client: Client, owner: string, from: string, to: string): Promise<void> {
  await new Mutex(client, from).runExclusive(
    async () => {
      console.log(`${owner} has ${from}, and wants ${to}`);
      await new Mutex(client, to).runExclusive(() => console.log(`${owner} has both`), { owner });
    },
    { owner },
  );
}

/** Told of a deadlock, it has let go of all that it held, and begins anew. */
async function untilDone(owner: string, work: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!isQuorateError(error, 'deadlock')) throw error;
      console.log(`${owner} is told: ${error.message}`);
    }
  }
}

function bank(owner: string, from: string, to: string) {
  return async ({ store, runtime }: ProcessContext) => {
    const client = await Client.open({ store, runtime });
    await untilDone(owner, () => transfer(client, owner, from, to));
  };
}

// Two machines, on a cluster in virtual time.
const simulation = new Simulation({ seed: 1 });
const first = simulation.start('first', bank('transfer-1', 'savings', 'current'));
const second = simulation.start('second', bank('transfer-2', 'current', 'savings'));
await simulation.runUntil(() => first.status === 'finished' && second.status === 'finished', 60_000);
console.log(`after ${(simulation.nowMs / 1_000).toFixed(1)} s`);
