/** Rounds, medians and tables: what every benchmark here shares. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { fileURLToPath } from 'node:url';

export interface BenchOptions {
  /** `host:port` of a real etcd, started for this benchmark alone. */
  readonly endpoint: string;
  /** Runs a measure on a real etcd started for it alone. */
  readonly onFreshEtcd: <T>(measure: (endpoint: string) => Promise<T>) => Promise<T>;
  /** Short rounds and few of them: shows that the benchmark runs, proves little. */
  readonly quick: boolean;
  /** Parts of the benchmark to run, where it has parts; all if empty. */
  readonly only?: readonly string[];
}

/** One figure beside another. */
export interface Row {
  readonly what: string;
  readonly ours: number;
  readonly unit: string;
  /** What it is compared with, and how that was set. Absent for figures that stand alone. */
  readonly peer?: string;
  readonly peers?: number;
  /** `ours / peers`, judged by the goal. */
  readonly ratio?: number;
  readonly goal?: { readonly atLeast: number } | { readonly atMost: number };
}

export interface BenchResult {
  readonly name: string;
  readonly settings: Readonly<Record<string, string | number>>;
  readonly rows: readonly Row[];
  /** Figures of every round. */
  readonly rounds: Readonly<Record<string, readonly number[]>>;
  /** Peers that could not be run here, and why. */
  readonly leftOut: readonly string[];
  /** What is to be known besides. */
  readonly remarks?: readonly string[];
}

export type Measure = () => Promise<number>;

/**
 * Runs the measures in turn, round after round, so that what disturbs the machine for a while disturbs all alike. Every
 * second round goes the other way, so that none always comes first. A first round is thrown away.
 */
export async function interleave<Name extends string>(
  measures: Readonly<Record<Name, Measure>>,
  rounds: number,
): Promise<Record<Name, number[]>> {
  const names = Object.keys(measures) as Name[];
  const figures = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  for (let round = 0; round <= rounds; round += 1) {
    for (const name of round % 2 === 0 ? names : [...names].reverse()) {
      const figure = await measures[name]();
      if (round > 0) figures[name].push(figure);
    }
    process.stderr.write('.');
  }
  process.stderr.write('\n');
  return figures;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low = Number.NaN, high = Number.NaN] =
    sorted.length % 2 === 1 ? [sorted[middle], sorted[middle]] : sorted.slice(middle - 1, middle + 1);
  return (low + high) / 2;
}

/** `share` of 0.99 is the 99th percentile, by nearest rank. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

/** Operations a second of `callers` callers that each start the next one when the last has ended. */
export async function closedLoop(
  callers: number,
  durationMs: number,
  operation: () => Promise<unknown>,
): Promise<number> {
  let done = 0;
  const startMs = performance.now();
  const endMs = startMs + durationMs;
  const caller = async () => {
    while (performance.now() < endMs) {
      await operation();
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return (done / (performance.now() - startMs)) * 1_000;
}

/** The ratio is that of the medians: rounds of two measures are not pairs. */
export function compared(
  what: string,
  unit: string,
  ours: readonly number[],
  peer: string,
  peers: readonly number[],
  goal?: Row['goal'],
): Row {
  const [left, right] = [median(ours), median(peers)];
  return { what, unit, ours: left, peer, peers: right, ratio: left / right, ...(goal ? { goal } : {}) };
}

/** Undefined where there is no goal. */
export function isReached({ goal, ratio }: Row): boolean | undefined {
  if (goal === undefined || ratio === undefined) return undefined;
  return 'atLeast' in goal ? ratio >= goal.atLeast : ratio <= goal.atMost;
}

export function print(result: BenchResult): void {
  console.log(`\n${result.name}  (${cpus()[0]?.model.trim()}, ${availableParallelism()} cores)`);
  for (const [name, value] of Object.entries(result.settings)) console.log(`  ${name}: ${value}`);
  const verdicts = { true: 'ok', false: 'MISSED', undefined: '' };
  const cells = result.rows.map((row) => [
    row.what,
    `${number(row.ours)} ${row.unit}`,
    row.peer === undefined ? '' : `${row.peer}: ${number(row.peers ?? 0)}`,
    row.ratio === undefined ? '' : `${row.ratio.toFixed(2)} x`,
    row.goal === undefined
      ? ''
      : 'atLeast' in row.goal
        ? `>= ${row.goal.atLeast} x`
        : `<= ${row.goal.atMost} x`,
    verdicts[`${isReached(row)}`],
  ]);
  const table = [['what', 'quorate', 'beside', 'ratio', 'goal', ''], ...cells];
  const widths = table[0]?.map((_cell, column) =>
    Math.max(...table.map((row) => (row[column] ?? '').length)),
  );
  for (const row of table) {
    console.log(`  ${row.map((cell, column) => cell.padEnd(widths?.[column] ?? 0)).join('  ')}`.trimEnd());
  }
  for (const remark of result.remarks ?? []) console.log(`  ${remark}`);
  for (const reason of result.leftOut) console.log(`  *** LEFT OUT: ${reason} ***`);
}

function number(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(2);
}

export function save(result: BenchResult): void {
  const folder = new URL('./results/', import.meta.url);
  mkdirSync(folder, { recursive: true });
  const report = { ...result, node: process.version, at: new Date().toISOString() };
  writeFileSync(
    fileURLToPath(new URL(`${result.name}.json`, folder)),
    `${JSON.stringify(report, null, 2)}\n`,
  );
}
