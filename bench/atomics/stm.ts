/**
 * One key that one client wants, or sixteen, each a process that adds one to it again and again, beside etcd's own
 * transactional memory. That nothing was lost is looked at each time: the key says how many commits there were.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'quorate';
import { openEtcd3Store } from 'quorate/etcd3';
import { type BenchOptions, compared, median, percentile, type Row } from '../harness.js';
import { nowUs } from '../locks/loop.js';
import { goPeer, whyNoGo } from '../peers/go.js';
import { nodeProgram } from '../peers/installed.js';
import { Program } from '../program.js';
import type { Part } from './part.js';

const crowd = 16;
const endingMs = 60_000;

interface Contestant {
  readonly name: 'quorate' | 'etcd Go NewSTM';
  readonly command: readonly string[];
  /** Node compiles as it runs. */
  readonly warmUps: number;
}

interface Commit {
  readonly client: number;
  readonly endedUs: number;
  readonly tookUs: number;
}

/** Of one contest. */
interface Figures {
  readonly 'a second': number;
  readonly 'p50 ms': number;
  readonly 'p99 ms': number;
  /** Commits of the client that had fewest, of the mean. */
  readonly fewest: number;
}

export async function stmPart({ onFreshEtcd, quick }: BenchOptions): Promise<Part> {
  const [rounds, warmUpMs, durationMs] = quick ? [1, 500, 1_500] : [5, 1_000, 4_000];
  const contestants: Contestant[] = [
    { name: 'quorate', command: nodeProgram('./stm-loop.ts', import.meta.url), warmUps: 3 },
  ];
  const go = goPeer('stm');
  if (go !== undefined) contestants.push({ name: 'etcd Go NewSTM', command: [go], warmUps: 1 });
  const figures: Record<string, number[]> = {};
  const plan = contestants.flatMap((contestant) => [1, crowd].map((clients) => ({ contestant, clients })));
  for (let round = 0; round < rounds; round += 1) {
    for (const { contestant, clients } of round % 2 === 0 ? plan : [...plan].reverse()) {
      const times = { warmUpMs: warmUpMs * contestant.warmUps, durationMs };
      const found = await onFreshEtcd((endpoint) => contest(contestant, endpoint, clients, times));
      for (const [figure, value] of Object.entries(found)) {
        const key = keyOf(contestant.name, clients, figure as keyof Figures);
        figures[key] = [...(figures[key] ?? []), value];
      }
      process.stderr.write('.');
    }
  }
  process.stderr.write('\n');
  return {
    settings: {
      'hot key': `${rounds} rounds in turn, every second one backwards, medians; ${durationMs} ms after a warm-up, on a fresh etcd each`,
      quorate:
        'atomically as it comes, one Client and one caller a process; first 2,000 on a key of its own alone and 6,000 among three clients of its own, and three times the warm-up: Node compiles as it runs',
      ...(go === undefined ? {} : { 'etcd Go NewSTM': 'clientv3 3.4, one client and one caller a process' }),
    },
    rows: rowsOf(figures, go !== undefined),
    rounds: figures,
    leftOut: go === undefined ? [whyNoGo] : [],
    remarks: go === undefined ? [] : [fallOf(figures)],
  };
}

function rowsOf(figures: Readonly<Record<string, number[]>>, hasGo: boolean): Row[] {
  const of = (name: Contestant['name'], clients: number, figure: keyof Figures) =>
    figures[keyOf(name, clients, figure)] ?? [];
  const many = `commits on one key, ${crowd} clients`;
  const rows = [
    compared(many, '/s', of('quorate', crowd, 'a second'), 'its 1 client', of('quorate', 1, 'a second'), {
      atLeast: 1,
    }),
    {
      what: `the same: fewest of a client, of the mean`,
      unit: '',
      ours: median(of('quorate', crowd, 'fewest')),
    },
  ];
  if (!hasGo) return rows;
  const beside = (what: string, unit: string, clients: number, figure: keyof Figures) =>
    compared(
      what,
      unit,
      of('quorate', clients, figure),
      'etcd Go NewSTM',
      of('etcd Go NewSTM', clients, figure),
    );
  return [
    ...rows,
    beside(many, '/s', crowd, 'a second'),
    beside('commits on one key, 1 client', '/s', 1, 'a second'),
    beside(`a commit among ${crowd}, p50`, 'ms', crowd, 'p50 ms'),
    beside(`a commit among ${crowd}, p99`, 'ms', crowd, 'p99 ms'),
  ];
}

function fallOf(figures: Readonly<Record<string, number[]>>): string {
  const rate = (clients: number) => median(figures[keyOf('etcd Go NewSTM', clients, 'a second')] ?? []);
  const [one, many] = [rate(1), rate(crowd)];
  return `etcd Go NewSTM: ${one.toFixed(0)}/s with 1 client, ${many.toFixed(0)}/s with ${crowd}: ${(many / one).toFixed(2)} x`;
}

async function contest(
  { command }: Contestant,
  endpoint: string,
  clients: number,
  { warmUpMs, durationMs }: { readonly warmUpMs: number; readonly durationMs: number },
): Promise<Figures> {
  const key = 'hot';
  const args = [endpoint, key, String(warmUpMs + durationMs)];
  const programs = Array.from({ length: clients }, () => new Program(command, args));
  try {
    await Promise.all(programs.map((one) => one.ready));
    const beganUs = nowUs();
    for (const one of programs) one.begin();
    await delay(warmUpMs + durationMs);
    const texts = await Promise.all(programs.map((one) => one.output(endingMs)));
    const all = texts.flatMap((text, client) => commitsIn(text, client));
    const counted = await countAt(endpoint, key);
    if (counted !== all.length) throw new Error(`${all.length} commits, and the key says ${counted}`);
    return figuresOf(all, clients, beganUs + warmUpMs * 1_000, durationMs);
  } finally {
    for (const one of programs) one.kill();
  }
}

function figuresOf(all: readonly Commit[], clients: number, fromUs: number, durationMs: number): Figures {
  const measured = all.filter(({ endedUs }) => endedUs >= fromUs && endedUs < fromUs + durationMs * 1_000);
  const each = Array.from({ length: clients }, (_, client) =>
    measured.filter((one) => one.client === client),
  );
  const tookMs = measured.map(({ tookUs }) => tookUs / 1_000);
  return {
    'a second': (measured.length / durationMs) * 1_000,
    'p50 ms': percentile(tookMs, 0.5),
    'p99 ms': percentile(tookMs, 0.99),
    fewest: Math.min(...each.map(({ length }) => length)) / (measured.length / clients),
  };
}

function commitsIn(text: string, client: number): Commit[] {
  return text
    .split('\n')
    .slice(1)
    .filter((line) => line !== '')
    .map((line) => {
      const [endedUs = 0, tookUs = 0] = line.split(' ').map(Number);
      return { client, endedUs, tookUs };
    });
}

async function countAt(endpoint: string, key: string): Promise<number> {
  const store = await openEtcd3Store({ hosts: endpoint });
  const client = await Client.open({ store, closeStore: true, namespace: 'bench' });
  const { kvs } = await client.store.range({ key });
  await client.close();
  return Number(Buffer.from(kvs[0]?.value ?? []).toString() || 0);
}

function keyOf(name: Contestant['name'], clients: number, figure: keyof Figures): string {
  return `${name}, ${clients} clients: ${figure}`;
}
