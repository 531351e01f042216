/** Channels beside what they stand on: how long a message takes to who subscribes, and how many can be published; and what a local read costs. */
import type { BenchOptions, BenchResult } from '../harness.js';
import { deliveryPart } from './delivery.js';
import type { Part } from './part.js';
import { publishingPart } from './publishing.js';
import { readingPart } from './reading.js';

const parts: Readonly<Record<string, (options: BenchOptions) => Promise<Part>>> = {
  delivery: deliveryPart,
  publishing: publishingPart,
  reading: readingPart,
};

export async function pubsubBench(options: BenchOptions): Promise<BenchResult> {
  const { only = [] } = options;
  const found: Part[] = [];
  for (const [name, run] of Object.entries(parts)) {
    if (only.length === 0 || only.includes(name)) found.push(await run(options));
  }
  return {
    name: 'pubsub',
    settings: Object.assign({}, ...found.map(({ settings }) => settings)),
    rows: found.flatMap(({ rows }) => rows),
    rounds: Object.assign({}, ...found.map(({ rounds }) => rounds)),
    leftOut: [...new Set(found.flatMap(({ leftOut }) => leftOut))],
    remarks: found.flatMap(({ remarks = [] }) => remarks),
  };
}
