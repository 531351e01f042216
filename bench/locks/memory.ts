/**
 * One process, run with --expose-gc, that tells what locks cost it in memory: `endpoint count`. Prints the bytes (heap and
 * external) of that many idle locks, each of which was held once, and of that many callers that wait for one lock.
 */
import { Client, Mutex } from 'quorate';
import { openEtcd3Store } from 'quorate/etcd3';

const atOnce = 100;
const [endpoint = '', text] = process.argv.slice(2);
const count = Number(text);
const store = await openEtcd3Store({ hosts: endpoint });
const client = await Client.open({ store, closeStore: true, namespace: 'bench' });

async function bytes(): Promise<number> {
  // What finished just now lets go of its memory some turns later.
  for (let turn = 0; turn < 5; turn += 1) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    globalThis.gc?.();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

async function use(mutexes: readonly Mutex[]): Promise<void> {
  for (let from = 0; from < mutexes.length; from += atOnce) {
    await Promise.all(mutexes.slice(from, from + atOnce).map((mutex) => mutex.runExclusive(() => {})));
  }
}

const newMutexes = (prefix: string, number: number) =>
  Array.from({ length: number }, (_unused, index) => new Mutex(client, `${prefix}${index}`));

// Compiled code, pools and caches are no locks.
await use(newMutexes('before-', 1_000));
const before = await bytes();
const idle = newMutexes('idle-', count);
await use(idle);
const afterIdle = await bytes();

const mutex = new Mutex(client, 'awaited');
const hold = await mutex.acquire();
const beforeWaiting = await bytes();
const waiting = Array.from({ length: count }, () => mutex.acquire());
const afterWaiting = await bytes();
console.log(
  JSON.stringify({ idle: afterIdle - before, waiting: afterWaiting - beforeWaiting, kept: idle.length }),
);
for (const next of waiting) void next.then((held) => held.release());
await hold.release();
await Promise.all(waiting);
await client.close();
