/** One process that contends for a lock: `contender.js endpoint name callers`. Told `go` with a time, it tells how often it held it. */
import { Client, Mutex } from 'quorate';
import { openEtcd3Store } from 'quorate/etcd3';
import { closedLoop } from './harness.js';

/** Services run for days: the first second, in which the compiler is still at work, is not counted. */
const warmUpMs = 1_000;
const [endpoint = '', name = '', callers = '1'] = process.argv.slice(2);
const client = await Client.open({
  store: await openEtcd3Store({ hosts: endpoint }),
  closeStore: true,
  namespace: 'bench',
});
const mutex = new Mutex(client, name);
process.once('disconnect', () => process.exit(1));
process.on('message', async ({ durationMs }: { durationMs: number }) => {
  const section = async () => {
    const hold = await mutex.acquire();
    await hold.release();
  };
  await closedLoop(Number(callers), warmUpMs, section);
  process.send?.({ rate: await closedLoop(Number(callers), durationMs, section) });
});
await client.session();
process.send?.({ ready: true });
