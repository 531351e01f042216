/**
 * A table of tariff codes in the memory of every process that looks them up, while new editions of it are published: all codes of a
 * family at once. One process is stopped for a while, another is killed, and its successor begins with the table of that moment.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { ReplicatedMap } from 'quorate/config';
import type { ExampleProcess } from '../support/example-process.js';
import type { Claim, Flow } from '../support/flow.js';
import { type Code, type CodeTable, codeOf, codesOf, digestOf } from './table.js';

const server = new URL('./server.ts', import.meta.url);
const stoppedMs = 2_000;
const millions = (count: number) => (count / 1_000_000).toFixed(1);

export async function codeTable(flow: Flow): Promise<Claim[]> {
  const client = await flow.client();
  const table = await ReplicatedMap.open<string, Code>(client, 'codes');
  for (const family of codesOf.keys()) await publish(table, family, 1);
  flow.say(`${table.size} codes published, in ${codesOf.length} families`);

  const [steady, stopped, killed] = ['steady', 'stopped', 'killed'].map((label) =>
    flow.start(server, label),
  ) as [ExampleProcess, ExampleProcess, ExampleProcess];
  await Promise.all([steady, stopped, killed].map((one) => one.next('ready')));
  flow.say('3 processes have it in memory and look codes up as fast as they can');

  let isOver = false;
  const publishing = publishUntil(table, () => isOver);
  await delay(500);
  await killed.crash();
  const successor = flow.start(server, 'successor');
  const { entries, loadMs } = await successor.next('ready');
  flow.say(
    `one was killed with kill -9; its successor loaded ${entries} codes in ${Math.round(Number(loadMs))} ms`,
  );
  stopped.pause();
  flow.say('one is stopped (SIGSTOP), while editions go on');
  await delay(stoppedMs);
  stopped.resume();
  await delay(500);
  isOver = true;
  const editions = await publishing;
  flow.say(`${editions} editions were published meanwhile, each of ${codesOf[0]?.length} codes at once`);

  const servers = [steady, stopped, successor];
  for (const one of servers) one.send({ type: 'stop' });
  const reports = await Promise.all(servers.map((one) => one.next('done')));
  await Promise.all(servers.map((one) => one.finished()));
  const digest = digestOf(table);
  await table.close();
  await client.close();
  return judge(reports, digest, Number(entries));
}

/** A new edition of one family: all of its codes, in one revision. */
async function publish(table: CodeTable, family: number, edition: number): Promise<void> {
  await table.update((draft) => {
    for (const name of codesOf[family] ?? []) draft.set(name, codeOf(name, edition));
  });
}

async function publishUntil(table: CodeTable, isOver: () => boolean): Promise<number> {
  let editions = 0;
  while (!isOver()) {
    editions += 1;
    await publish(table, editions % codesOf.length, editions + 1);
    await delay(5);
  }
  return editions;
}

function judge(
  reports: readonly Readonly<Record<string, unknown>>[],
  digest: string,
  loaded: number,
): Claim[] {
  const sum = (name: string) => reports.reduce((total, report) => total + Number(report[name]), 0);
  const perSecond = reports.map(({ reads, readingMs }) => (Number(reads) / Number(readingMs)) * 1_000);
  const slowest = Math.min(...perSecond);
  const oldestMs = Number(reports[1]?.oldestMs);
  const codes = codesOf.flat().length;
  return [
    {
      claim: 'codes are looked up in memory, over a million a second',
      evidence: `${millions(sum('reads'))} million reads; the slowest process did ${millions(slowest)} million a second`,
      holds: slowest > 1_000_000,
    },
    {
      claim: 'nobody ever sees half of an edition',
      evidence: `${sum('torn')} families of two editions, in ${sum('changes')} changes of codes`,
      holds: sum('torn') === 0 && sum('changes') > codes,
    },
    {
      claim: 'a process that was stopped knows how old its table is',
      evidence: `${Math.round(oldestMs)} ms, after ${stoppedMs} ms in which it stood still`,
      holds: oldestMs >= stoppedMs,
    },
    {
      claim: 'one that starts anew has all of the table at once',
      evidence: `${loaded} of ${codes} codes`,
      holds: loaded === codes,
    },
    {
      claim: 'all come to the same table as its publisher',
      evidence: `${reports.filter((report) => report.digest === digest).length} of ${reports.length}, by their hashes`,
      holds: reports.every((report) => report.digest === digest),
    },
  ];
}
