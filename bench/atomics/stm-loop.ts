/**
 * A client that adds one to a key by a transaction, again and again, through Quorate. The Go peer does the same:
 *
 * - arguments: `endpoint key durationMs`; says `ready` when it is connected and has done so with a key of its own for a while, begins when a line arrives on its input;
 * - prints for each commit when it had ended, in microseconds of the machine's monotonic clock, and how many it took.
 */
import { once } from 'node:events';
import { atomically, Client } from 'quorate';
import { openEtcd3Store } from 'quorate/etcd3';
import { nowUs } from '../locks/loop.js';

const warmUpCommits = 2_000;
const [endpoint = '', key = '', durationMs] = process.argv.slice(2);
const begun = once(process.stdin, 'data');
const store = await openEtcd3Store({ hosts: endpoint });
const client = await Client.open({ store, closeStore: true, namespace: 'bench' });
const addOne = (to: string) =>
  atomically(client, async (tx) => {
    const count = (await tx.get<number>(to)) ?? 0;
    tx.put(to, count + 1);
  });

// Each process compiles for itself: one of sixteen would come to so many only after a minute of the contest.
for (let round = 0; round < warmUpCommits; round += 1) await addOne(`${key}-of-${process.pid}`);
process.stdout.write('ready\n');
await begun;

const lines: string[] = [];
for (const endUs = nowUs() + Number(durationMs) * 1_000; ; ) {
  const beganUs = nowUs();
  if (beganUs >= endUs) break;
  await addOne(key);
  const endedUs = nowUs();
  lines.push(`${endedUs} ${endedUs - beganUs}`);
}
await client.close();
process.stdout.write(`${lines.join('\n')}\n`, () => process.exit(0));
