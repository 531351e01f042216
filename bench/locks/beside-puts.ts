/**
 * One process that measures an uncontended acquire and release beside two raw sequential puts: `endpoint warmUpMs durationMs`.
 * In short blocks, one of each in turn, so that what disturbs the machine disturbs all. Prints the median of every block, in
 * milliseconds.
 *
 * Beside these, for what the difference consists of: the lock's own two transactions written out by hand, which is what they
 * cost etcd and the connection without a lock around them; and the two puts through grpc-js.
 */
import { Client, compare, get, Mutex, put, remove, type Store, txnOf } from 'quorate';
import { openEtcd3Store } from 'quorate/etcd3';
import { median } from '../harness.js';

const block = 50;
const [endpoint = '', warmUpMs, durationMs] = process.argv.slice(2);
const store = await openEtcd3Store({ hosts: endpoint });
const throughGrpcJs = await openEtcd3Store({ hosts: endpoint, transport: 'grpc-js' });
const client = await Client.open({ store, closeStore: true, namespace: 'bench' });
const session = await client.session();
const mutex = new Mutex(client, 'uncontended');
const options = { timeoutMs: 5_000 };
const write = (to: Store) => to.txn(txnOf({ success: [put('bench/raw', 'value')] }), options);

let lane = (await store.txn(txnOf({ success: [put('bench/lane', '0')] }), options)).revision;

/** As a place is taken and left: through a lane, guarded by the session, on its lease, looking at the line. */
async function byHand(): Promise<void> {
  const key = 'bench/line/l/place';
  const taken = await store.txn(
    txnOf({
      compare: [compare.mod('bench/lane', 'equal', lane), session.guard()],
      success: [
        put('bench/lane', '1'),
        put(key, '', { lease: session.leaseId }),
        { type: 'range', key: 'bench/line/', rangeEnd: 'bench/line0' },
      ],
      failure: [get('bench/lane')],
    }),
    options,
  );
  lane = taken.revision;
  const left = await store.txn(
    txnOf({ compare: [compare.mod(key, 'equal', lane)], success: [remove(key)] }),
    options,
  );
  if (!taken.succeeded || !left.succeeded) throw new Error('a transaction was refused');
}

const operations = {
  lock: async () => {
    const hold = await mutex.acquire();
    await hold.release();
  },
  byHand,
  puts: async () => {
    await write(store);
    await write(store);
  },
  putsThroughGrpcJs: async () => {
    await write(throughGrpcJs);
    await write(throughGrpcJs);
  },
};

async function blockOf(operation: () => Promise<void>): Promise<number> {
  const times: number[] = [];
  for (let time = 0; time < block; time += 1) {
    const startMs = performance.now();
    await operation();
    times.push(performance.now() - startMs);
  }
  return median(times);
}

const blocks: Record<string, number[]> = {};
const warmMs = performance.now() + Number(warmUpMs);
const endMs = warmMs + Number(durationMs);
while (performance.now() < endMs) {
  for (const [name, operation] of Object.entries(operations)) {
    const ms = await blockOf(operation);
    if (performance.now() >= warmMs) blocks[name] = [...(blocks[name] ?? []), ms];
  }
}
await client.close();
await throughGrpcJs.close();
console.log(JSON.stringify(blocks));
