/** Transactions on one hot key beside etcd's own Go library; ids, and additions to a counter, beside a compare-and-set each. */
import type { BenchOptions, BenchResult } from '../harness.js';
import { idsPart } from './ids.js';
import type { Part } from './part.js';
import { stmPart } from './stm.js';

const parts: Readonly<Record<string, (options: BenchOptions) => Promise<Part>>> = {
  stm: stmPart,
  ids: idsPart,
};

export async function atomicsBench(options: BenchOptions): Promise<BenchResult> {
  const { only = [] } = options;
  const found: Part[] = [];
  for (const [name, run] of Object.entries(parts)) {
    if (only.length === 0 || only.includes(name)) found.push(await run(options));
  }
  return {
    name: 'atomics',
    settings: Object.assign({}, ...found.map(({ settings }) => settings)),
    rows: found.flatMap(({ rows }) => rows),
    rounds: Object.assign({}, ...found.map(({ rounds }) => rounds)),
    leftOut: [...new Set(found.flatMap(({ leftOut }) => leftOut))],
    remarks: found.flatMap(({ remarks = [] }) => remarks),
  };
}
