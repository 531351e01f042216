/**
 * A client that adds one to a key by a transaction, again and again, through Quorate. The Go peer does the same:
 *
 * - arguments: `endpoint key durationMs`; says `ready` when it is connected and has done so for a while with keys of its own, alone and
 *   against clients of its own; begins when a line arrives on its input;
 * - prints for each commit when it had ended, in microseconds of the machine's monotonic clock, and how many it took.
 */
import { once } from 'node:events';
import { atomically, Client } from 'quorate';
import { openEtcd3Store } from 'quorate/etcd3';
import { nowUs } from '../locks/loop.js';

/** Of each client in the warm-up; three, as with three a line hands its turn on in the way that it does among sixteen. */
const warmUpCommits = 2_000;
const warmUpClients = 3;
const [endpoint = '', key = '', durationMs] = process.argv.slice(2);
const begun = once(process.stdin, 'data');
const open = async () =>
  Client.open({
    store: await openEtcd3Store({ hosts: endpoint }),
    ...{ closeStore: true, namespace: 'bench' },
  });
const addOne = (client: Client, to: string) =>
  atomically(client, async (tx) => {
    const count = (await tx.get<number>(to)) ?? 0;
    tx.put(to, count + 1);
  });
const addMany = async (client: Client, to: string) => {
  for (let round = 0; round < warmUpCommits; round += 1) await addOne(client, to);
};

// Each process compiles for itself, what it does alone and what it does in a crowd: one of sixteen would come to that only after
// a minute of the contest.
const client = await open();
await addMany(client, `${key}-of-${process.pid}`);
const others = await Promise.all(Array.from({ length: warmUpClients - 1 }, open));
await Promise.all([client, ...others].map((one) => addMany(one, `${key}-among-${process.pid}`)));
await Promise.all(others.map((one) => one.close()));
process.stdout.write('ready\n');
await begun;

const lines: string[] = [];
for (const endUs = nowUs() + Number(durationMs) * 1_000; ; ) {
  const beganUs = nowUs();
  if (beganUs >= endUs) break;
  await addOne(client, key);
  const endedUs = nowUs();
  lines.push(`${endedUs} ${endedUs - beganUs}`);
}
await client.close();
process.stdout.write(`${lines.join('\n')}\n`, () => process.exit(0));
