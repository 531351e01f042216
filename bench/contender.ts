/** One process that contends for a lock: `contender.js endpoint name callers`. Told `go` with a time, it tells how often it held it. */
import { Client, Mutex } from 'quorate';
import { openEtcd3Store } from 'quorate/etcd3';
import { closedLoop } from './harness.js';

const [endpoint = '', name = '', callers = '1'] = process.argv.slice(2);
const client = await Client.open({
  store: await openEtcd3Store({ hosts: endpoint }),
  closeStore: true,
  namespace: 'bench',
});
const mutex = new Mutex(client, name);
process.once('disconnect', () => process.exit(1));
process.on('message', async ({ durationMs }: { durationMs: number }) => {
  const rate = await closedLoop(Number(callers), durationMs, async () => {
    const hold = await mutex.acquire();
    await hold.release();
  });
  process.send?.({ rate });
});
await client.session();
process.send?.({ ready: true });
