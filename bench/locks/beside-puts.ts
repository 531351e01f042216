/**
 * One process that measures an uncontended acquire and release beside two raw sequential puts through the same client:
 * `endpoint warmUpMs durationMs`. In short blocks, one of each in turn, so that what disturbs the machine disturbs both. Prints
 * the median of every block, in milliseconds.
 */
import { Client, Mutex, put } from 'quorate';
import { openEtcd3Store } from 'quorate/etcd3';
import { median } from '../harness.js';

const block = 50;
const [endpoint = '', warmUpMs, durationMs] = process.argv.slice(2);
const store = await openEtcd3Store({ hosts: endpoint });
const client = await Client.open({ store, closeStore: true, namespace: 'bench' });
const mutex = new Mutex(client, 'uncontended');
const write = () =>
  store.txn({ compare: [], success: [put('bench/raw', 'value')], failure: [] }, { timeoutMs: 5_000 });

const medianOf = async (operation: () => Promise<unknown>) => {
  const times: number[] = [];
  for (let time = 0; time < block; time += 1) {
    const startMs = performance.now();
    await operation();
    times.push(performance.now() - startMs);
  }
  return median(times);
};
const acquireAndRelease = () =>
  medianOf(async () => {
    const hold = await mutex.acquire();
    await hold.release();
  });
const twoPuts = () =>
  medianOf(async () => {
    await write();
    await write();
  });

const locks: number[] = [];
const puts: number[] = [];
const warmMs = performance.now() + Number(warmUpMs);
const endMs = warmMs + Number(durationMs);
while (performance.now() < endMs) {
  const [lock, both] = [await acquireAndRelease(), await twoPuts()];
  if (performance.now() < warmMs) continue;
  locks.push(lock);
  puts.push(both);
}
await client.close();
console.log(JSON.stringify({ locks, puts }));
