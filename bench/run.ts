/** `npm run bench -- [--check] [--quick] [--only part]… [names…]`: each benchmark on a real etcd of its own. */
import { parseArgs } from 'node:util';
import { startEtcd } from '../test/support/etcd-process.js';
import { atomicsBench } from './atomics/index.js';
import { barriersBench } from './barriers/index.js';
import { groupCommitBench } from './group-commit.js';
import { type BenchOptions, type BenchResult, isReached, print, save } from './harness.js';
import { locksBench } from './locks/index.js';
import { pubsubBench } from './pubsub/index.js';
import { queuesBench } from './queues/index.js';
import { simulatorBench } from './simulator.js';
import { transportBench } from './transport.js';

const benches: Readonly<Record<string, (options: BenchOptions) => Promise<BenchResult>>> = {
  atomics: atomicsBench,
  barriers: barriersBench,
  'group-commit': groupCommitBench,
  locks: locksBench,
  pubsub: pubsubBench,
  queues: queuesBench,
  simulator: simulatorBench,
  transport: transportBench,
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    check: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true, default: [] },
    quick: { type: 'boolean', default: false },
  },
});

async function onFreshEtcd<T>(measure: (endpoint: string) => Promise<T>): Promise<T> {
  const etcd = await startEtcd(process.env.QUORATE_ETCD ?? 'etcd');
  try {
    return await measure(etcd.endpoint);
  } finally {
    await etcd.stop();
  }
}

let missed = 0;
for (const name of positionals.length > 0 ? positionals : Object.keys(benches)) {
  const bench = benches[name];
  if (bench === undefined)
    throw new Error(`no benchmark ${name}; there are ${Object.keys(benches).join(', ')}`);
  const result = await onFreshEtcd((endpoint) =>
    bench({ endpoint, onFreshEtcd, quick: values.quick, only: values.only }),
  );
  print(result);
  save(result);
  missed += result.rows.filter((row) => isReached(row) === false).length;
}
if (missed > 0) console.log(`\n${missed} goals missed.`);
if (missed > 0 && values.check) process.exitCode = 1;
