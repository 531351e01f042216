/** A process that looks codes up as fast as it can, all of them in its own memory, and checks what it sees. */
import { setImmediate } from 'node:timers/promises';
import { ReplicatedMap } from 'quorate/config';
import { command, connect, main, report } from '../support/inside-process.js';
import { type Code, type CodeTable, codesOf, digestOf } from './table.js';

/** Looks every code up. Answers how many families it found with codes of two editions. */
function lookAll(table: CodeTable): number {
  let torn = 0;
  for (const names of codesOf) {
    const edition = table.get(names[0] ?? '')?.edition;
    let isWhole = true;
    for (const name of names) if (table.get(name)?.edition !== edition) isWhole = false;
    if (!isWhole) torn += 1;
  }
  return torn;
}

await main(async () => {
  const client = await connect();
  const beganMs = performance.now();
  const table = await ReplicatedMap.open<string, Code>(client, 'codes', { proveEveryMs: 200 });
  report({ type: 'ready', entries: table.size, loadMs: performance.now() - beganMs });
  let isOver = false;
  void command('stop').then(() => {
    isOver = true;
  });
  let [reads, readingMs, torn, oldestMs] = [0, 0, 0, 0];
  // At any moment the table knows how old it may be. Asked wherever this process could have been stopped before, since of news that
  // has come meanwhile the next turn already knows.
  const askAge = () => {
    oldestMs = Math.max(oldestMs, table.stalenessMs);
  };
  let changes = 0;
  table.onChange((batch) => {
    askAge();
    changes += batch.changes.length;
  });
  while (!isOver) {
    askAge();
    const fromMs = performance.now();
    torn += lookAll(table);
    readingMs += performance.now() - fromMs;
    askAge();
    reads += table.size + codesOf.length;
    await setImmediate();
  }
  await table.sync();
  const { revision } = table;
  report({ type: 'done', reads, readingMs, torn, oldestMs, changes, revision, digest: digestOf(table) });
  await table.close();
  await client.close();
});
