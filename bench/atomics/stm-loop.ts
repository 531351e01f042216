/**
 * A client that adds one to a key by a transaction, again and again, through Quorate. The Go peer does the same:
 *
 * - arguments: `endpoint key durationMs`; says `ready` when it is connected, begins when a line arrives on its input;
 * - prints for each commit when it had ended, in microseconds of the machine's monotonic clock, and how many it took.
 */
import { once } from 'node:events';
import { atomically, Client } from 'quorate';
import { openEtcd3Store } from 'quorate/etcd3';
import { nowUs } from '../locks/loop.js';

const [endpoint = '', key = '', durationMs] = process.argv.slice(2);
const store = await openEtcd3Store({ hosts: endpoint });
const client = await Client.open({ store, closeStore: true, namespace: 'bench' });
process.stdout.write('ready\n');
await once(process.stdin, 'data');

const lines: string[] = [];
for (const endUs = nowUs() + Number(durationMs) * 1_000; ; ) {
  const beganUs = nowUs();
  if (beganUs >= endUs) break;
  await atomically(client, async (tx) => {
    const count = (await tx.get<number>(key)) ?? 0;
    tx.put(key, count + 1);
  });
  const endedUs = nowUs();
  lines.push(`${endedUs} ${endedUs - beganUs}`);
}
await client.close();
process.stdout.write(`${lines.join('\n')}\n`, () => process.exit(0));
