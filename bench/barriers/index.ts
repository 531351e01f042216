/**
 * `npm run bench:barriers`: 200 who wait at one gate, in 10 processes, are released together; beside them the Barrier of etcd's Go
 * recipes. Times are from the sending of the request that opens the gate to the return of each wait.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Barrier, Client, type Store } from 'quorate';
import { openEtcd3Store } from 'quorate/etcd3';
import { type BenchOptions, type BenchResult, median, percentile, type Row } from '../harness.js';
import { nowUs } from '../locks/loop.js';
import { goPeer, whyNoGo } from '../peers/go.js';
import { nodeProgram } from '../peers/installed.js';
import { Program } from '../program.js';
import { delaysMs, parseReturns, type Release } from './releases.js';

const processes = 10;
const waitersEach = 20;
/** The first ones are not counted: V8 compiles as it runs. */
const warmUps = 5;
/** By then all wait. */
const gatheringMs = 400;
/** By then all have returned. */
const endingMs = 200;
const goalMs = 20;

/** Closes and opens the gate that a kind of waiters waits at. */
interface Gatekeeper {
  close(gate: string): Promise<() => Promise<unknown>>;
}

interface Contestant {
  readonly command: readonly string[];
  readonly keeper: (client: Client, store: Store) => Gatekeeper;
}

const quorate: Contestant = {
  command: nodeProgram('./waiter.ts', import.meta.url),
  keeper: (client) => ({
    close: async (gate) => {
      const hold = await new Barrier(client, gate).close();
      return () => hold.open();
    },
  }),
};

/** Its Hold is a put without a lease, and its Release a deletion. A wait hangs if anything else is written after the put. */
function goRecipe(binary: string): Contestant {
  const write = (store: Store, op: Parameters<Store['txn']>[0]['success'][number]) =>
    store.txn({ compare: [], success: [op], failure: [] });
  return {
    command: [binary],
    keeper: (_client, store) => ({
      close: async (gate) => {
        await write(store, { type: 'put', key: gate, value: new Uint8Array() });
        return () => write(store, { type: 'delete', key: gate });
      },
    }),
  };
}

export async function barriersBench({ quick, onFreshEtcd }: BenchOptions): Promise<BenchResult> {
  const rounds = warmUps + (quick ? 5 : 40);
  const binary = goPeer('barrier');
  const own: number[] = [...(await onFreshEtcd((endpoint) => measure(quorate, endpoint, rounds)))];
  const peers =
    binary === undefined
      ? undefined
      : [...(await onFreshEtcd((endpoint) => measure(goRecipe(binary), endpoint, rounds)))];
  const what = (share: string) => `200 waiters in 10 processes, release to return, ${share}`;
  const [middle, worst] = [median(own), percentile(own, 0.99)];
  const rows: Row[] = [
    {
      what: what('p99'),
      unit: 'ms',
      ours: worst,
      peer: 'goal',
      peers: goalMs,
      ratio: worst / goalMs,
      goal: { atMost: 1 },
    },
    { what: what('median'), unit: 'ms', ours: middle },
  ];
  if (peers !== undefined) {
    const [theirMiddle, theirWorst] = [median(peers), percentile(peers, 0.99)];
    const peer = 'etcd Go recipe Barrier';
    rows.push(
      { what: what('p99'), unit: 'ms', ours: worst, peer, peers: theirWorst, ratio: worst / theirWorst },
      {
        what: what('median'),
        unit: 'ms',
        ours: middle,
        peer,
        peers: theirMiddle,
        ratio: middle / theirMiddle,
      },
    );
  }
  return {
    name: 'barriers',
    settings: {
      processes,
      'waiters in each': waitersEach,
      rounds: rounds - warmUps,
      'rounds to warm up': warmUps,
    },
    rows,
    rounds: { quorate: own, ...(peers === undefined ? {} : { recipe: peers }) },
    leftOut: binary === undefined ? [whyNoGo] : [],
    remarks: ['the commit that opens the gate is in these times; the recipe keeps its gate on no lease'],
  };
}

async function measure(contestant: Contestant, endpoint: string, rounds: number): Promise<readonly number[]> {
  const store = await openEtcd3Store({ hosts: endpoint });
  const client = await Client.open({ store, namespace: 'bench', ttlMs: 60_000 });
  await client.session();
  const args = [endpoint, 'gate', String(waitersEach), String(rounds)];
  const programs = Array.from({ length: processes }, () => new Program(contestant.command, args));
  try {
    await Promise.all(programs.map((program) => program.ready));
    const keeper = contestant.keeper(client, store);
    const releases: Release[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const open = await keeper.close(`gate-${round}`);
      for (const program of programs) program.begin();
      await delay(gatheringMs);
      const sentUs = nowUs();
      await open();
      releases.push({ round, sentUs, answeredUs: nowUs() });
      await delay(endingMs);
    }
    const texts = await Promise.all(programs.map((program) => program.output(30_000)));
    const returns = texts.flatMap(parseReturns);
    return delaysMs(releases, returns, { waiters: processes * waitersEach, first: warmUps });
  } finally {
    for (const program of programs) program.kill();
    await client.close();
    await store.close();
  }
}
