/**
 * `npm run conformance [-- --seed N --sequences N --first N --lanes N]`: generated sequences on the engine, on the
 * embedded server and on a real etcd. Ends with 1 if they differ, if an argument was not tried, or without an etcd.
 */
import { parseArgs } from 'node:util';
import { findEtcd } from '../support/etcd-process.js';
import { runCampaign } from './campaign.js';
import { commandFor, explain, table } from './report.js';

/** Below it, chance may leave out what is drawn seldom. */
const fullLength = 500;

function numberFrom(name: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback;
  if (!/^\d+$/.test(text)) {
    process.stderr.write(`--${name} is ${JSON.stringify(text)}: expected a whole number\n`);
    process.exit(2);
  }
  return Number(text);
}

async function main(): Promise<number> {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({ options: { seed: text, sequences: text, first: text, lanes: text } });
  const seed = numberFrom('seed', values.seed, Date.now() % 1_000_000);
  const sequences = numberFrom('sequences', values.sequences, fullLength);
  const first = numberFrom('first', values.first, 0);
  const lanes = numberFrom('lanes', values.lanes, 6);
  const etcdBinary = findEtcd();
  if (etcdBinary === undefined) {
    process.stderr.write(
      '\n*** NO REAL ETCD FOUND: there is nothing to conform to, so this run FAILS. ***\n' +
        '*** Install one (Debian: apt-get install etcd-server), or set QUORATE_ETCD to its path. ***\n\n',
    );
    return 1;
  }
  process.stdout.write(
    `conformance: engine, embedded server and etcd; seed ${seed}, ${sequences} sequences\n`,
  );
  const startedMs = performance.now();
  const result = await runCampaign({ etcdBinary, seed, sequences, first, lanes });
  process.stdout.write(`${table(result, (performance.now() - startedMs) / 1_000)}\n`);
  if (result.failure !== undefined) {
    const { sequence } = result.failure;
    process.stdout.write(`\nFAILED in sequence ${sequence} (${commandFor(seed, sequence)})\n`);
    process.stdout.write(`${await explain(result.failure, etcdBinary)}\n`);
    return 1;
  }
  const missing = result.coverage.missing();
  if (sequences >= fullLength && missing.length > 0) {
    process.stdout.write(`\nFAILED: never tried: ${missing.join('; ')}\n`);
    return 1;
  }
  process.stdout.write(`again: npm run conformance -- --seed ${seed} --sequences ${sequences}\n`);
  return result.sequences === sequences ? 0 : 1;
}

process.exitCode = await main();
