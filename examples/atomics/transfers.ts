import { atomically, Client, type Transaction } from 'quorate';
import { type ProcessContext, Simulation } from 'quorate/simulator';

/** Moves money if there is enough; the function may be run several times, so it does nothing but through `tx`. */
const transfer = (from: string, to: string, amount: number) => async (tx: Transaction) => {
  const [left = 0, there = 0] = await Promise.all([tx.get<number>(from), tx.get<number>(to)]);
  if (left < amount) throw new Error(`${from} has less than ${amount}`);
  tx.put(from, left - amount);
  tx.put(to, there + amount);
};

/** All accounts at one moment: never with money that is on its way. */
async function total(tx: Transaction): Promise<number> {
  const accounts = await tx.range<number>({ prefix: 'accounts/' });
  return accounts.reduce((sum, { value }) => sum + value, 0);
}

function bank(from: string, to: string) {
  return async ({ store, runtime, name }: ProcessContext) => {
    const client = await Client.open({ store, runtime });
    for (let round = 0; round < 10; round += 1) await atomically(client, transfer(from, to, 1));
    const { value } = await atomically(client, total);
    console.log(`${name} has moved 10; all accounts together have ${value}`);
    const failed = await atomically(client, transfer(from, to, 1_000)).catch((error: Error) => error.message);
    console.log(`${name}: ${failed}`);
  };
}

async function openAccounts({ store, runtime }: ProcessContext): Promise<void> {
  const client = await Client.open({ store, runtime });
  await atomically(client, (tx) => {
    tx.put('accounts/savings', 100);
    tx.put('accounts/current', 100);
  });
}

// Machines on a cluster in virtual time.
const simulation = new Simulation({ seed: 1 });
const isDone = () => simulation.processes.every(({ status }) => status === 'finished');
simulation.start('teller', openAccounts);
await simulation.runUntil(isDone, 60_000);
simulation.start('first', bank('accounts/savings', 'accounts/current'));
simulation.start('second', bank('accounts/current', 'accounts/savings'));
await simulation.runUntil(isDone, 60_000);
