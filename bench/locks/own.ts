/** What is measured of Quorate's lock by itself: beside bare writes, many callers, its memory, and waiting. */
import { setTimeout as delay } from 'node:timers/promises';
import { Client, Mutex } from 'quorate';
import { openEtcd3Store } from 'quorate/etcd3';
import { compared, type Row } from '../harness.js';
import { runToEnd } from '../program.js';
import { etcdServer, type Server } from '../servers.js';
import { longestWaitInTurns } from './acquisitions.js';
import { hold } from './contest.js';
import { type Contestant, quorate, script } from './contestants.js';
import type { HandOverTimes, Rounds } from './hand-over.js';
import { startWaiting } from './waiters.js';

const manyProcesses = 4;
export const manyCallers = 1_000;
const idleLocks = 10_000;
/** That beside-puts.ts does in turn. */
const besidePutsOperations = 4;
const megabyte = 1_000_000;

async function onEtcd<T>(use: (server: Server) => Promise<T>): Promise<T> {
  const server = await etcdServer();
  try {
    return await use(server);
  } finally {
    await server.stop();
  }
}

/**
 * An uncontended acquire and release, beside two puts one after the other; and what lies between: the same transactions sent by
 * hand.
 */
export async function besidePuts(
  { rounds, warmUpMs, durationMs }: HandOverTimes,
  figures: Rounds,
): Promise<Row[]> {
  const blocksOf = (name: string) => figures[`uncontended, blocks: ${name}`] ?? [];
  // Each of its operations has a share of the time.
  const warmMs = warmUpMs * quorate.warmUps(1) * besidePutsOperations;
  for (let round = 0; round < rounds; round += 1) {
    const text = await onEtcd(({ endpoint }) =>
      runToEnd(script('./beside-puts.ts'), [endpoint, warmMs, durationMs].map(String)),
    );
    for (const [name, blocks] of Object.entries(JSON.parse(text) as Record<string, number[]>)) {
      figures[`uncontended, blocks: ${name}`] = [...blocksOf(name), ...blocks];
    }
  }
  const lock = blocksOf('lock');
  const byHand = blocksOf('byHand');
  const puts = blocksOf('puts');
  const what = 'acquire + release, uncontended';
  return [
    compared(what, 'ms', lock, 'two puts in sequence', puts, { atMost: 1.25 }),
    compared(what, 'ms', lock, 'its two transactions by hand', byHand),
    compared('its two transactions by hand', 'ms', byHand, 'two puts in sequence', puts),
    compared(what, 'ms', lock, 'two puts through grpc-js', blocksOf('putsThroughGrpcJs')),
  ];
}

/**
 * A thousand callers in four processes. A peer has no line of its own in a process, or is slower with it; it is given one for
 * nothing: one contender a process, as if the others waited behind a local lock.
 */
export async function manyCallersRows(
  peers: readonly Contestant[],
  { rounds, warmUpMs, durationMs }: HandOverTimes,
  figures: Rounds,
): Promise<Row[]> {
  const contest = {
    processes: manyProcesses,
    clients: 1,
    callers: 1,
    writesPerSecond: 0,
    warmUpMs,
    durationMs,
  };
  const turns: number[] = [];
  const note = (name: string, value: number) => {
    const key = `${name}, ${manyCallers} callers: a second`;
    figures[key] = [...(figures[key] ?? []), value];
  };
  for (let round = 0; round < rounds; round += 1) {
    const ours = await hold(quorate, { ...contest, callers: manyCallers / manyProcesses });
    note('quorate', ours.perSecond);
    turns.push(longestWaitInTurns(ours.acquisitions));
    for (const peer of peers) note(peer.name, (await hold(peer, contest)).perSecond);
  }
  const of = (name: string) => figures[`${name}, ${manyCallers} callers: a second`] ?? [];
  figures['quorate, many callers: most turns of others between two of a process'] = turns;
  const what = `${manyCallers} callers in ${manyProcesses} processes`;
  return [
    ...peers.map(({ name }) => {
      const goal = name === 'etcd Go Mutex' ? { atLeast: 50 } : undefined;
      return compared(what, '/s', of('quorate'), `${name}, ${manyProcesses} processes`, of(name), goal);
    }),
    compared(
      `${what}: most turns of others between two of a process`,
      'turns',
      [Math.max(...turns)],
      'bound: one of each other',
      [manyProcesses - 1],
      { atMost: 1 },
    ),
  ];
}

/** What ten thousand idle locks take, and as many callers that wait for one. */
export async function memoryRows(figures: Rounds): Promise<Row[]> {
  const [node = '', ...rest] = script('./memory.ts');
  const text = await onEtcd(({ endpoint }) =>
    runToEnd([node, '--expose-gc', ...rest], [endpoint, String(idleLocks)]),
  );
  const { idle, waiting } = JSON.parse(text) as { idle: number; waiting: number };
  figures['bytes of idle locks'] = [idle];
  figures['bytes of waiting callers'] = [waiting];
  return [
    compared(`${idleLocks} idle locks of one process`, 'MB', [idle / megabyte], 'bound', [50], { atMost: 1 }),
    { what: 'an idle lock', unit: 'bytes', ours: idle / idleLocks },
    { what: 'a caller that waits', unit: 'bytes', ours: waiting / idleLocks },
  ];
}

/** What waiting costs the store, beyond keep-alives: each waiting client may look once a TTL, and a little for jitter. */
export async function waitingRows(quick: boolean, figures: Rounds): Promise<Row[]> {
  const [processes, clients, name] = [10, 5, 'held'];
  const seconds = quick ? 8 : 20;
  const { requests, watchRequests, ttlMs } = await onEtcd(async (server) => {
    const store = await openEtcd3Store({ hosts: server.endpoint });
    const client = await Client.open({ store, closeStore: true, namespace: 'bench' });
    const held = await new Mutex(client, name).acquire();
    const waiters = await startWaiting(quorate.command, server.endpoint, name, processes, clients);
    try {
      // The line's watch is new then, and backed by reads.
      await delay(2_000);
      const before = await server.traffic?.();
      await delay(seconds * 1_000);
      const after = await server.traffic?.();
      if (!held.isHeld) throw new Error('the lock was lost while others waited for it');
      const session = await client.session();
      return {
        requests: (after?.requests ?? 0) - (before?.requests ?? 0),
        watchRequests: (after?.watchRequests ?? 0) - (before?.watchRequests ?? 0),
        ttlMs: session.ttlMs,
      };
    } finally {
      for (const waiter of waiters) waiter.kill();
      await client.close();
    }
  });
  figures['requests of idle waiters'] = [requests];
  // Looks come every 0.75 to 1.25 TTL.
  const bound = processes * clients * Math.ceil((seconds * 1_000) / (0.75 * ttlMs));
  return [
    compared(
      `requests of ${processes * clients} waiting clients in ${seconds} s`,
      '',
      [requests],
      'bound: a look a TTL',
      [bound],
      { atMost: 1 },
    ),
    {
      what: 'the same: messages that ask whether a watch lives, one a connection and 10 s',
      unit: '',
      ours: watchRequests,
    },
  ];
}
