/**
 * A part of `npm run conformance`, with the same code: generated sequences on the engine, on the embedded server and on
 * a real etcd have to be answered the same, to the letter.
 */
import { expect, test } from 'vitest';
import { findEtcd } from '../support/etcd-process.js';
import { runCampaign } from './campaign.js';
import { commandFor, explain } from './report.js';

const sequences = 60;
const seed = Number(process.env['QUORATE_SEED'] ?? Date.now() % 1_000_000);
const etcdBinary = findEtcd();

test.skipIf(etcdBinary === undefined)(
  `ENGINE-1 generated sequences get the same answers, watches and history (seed ${seed})`,
  async () => {
    const binary = etcdBinary ?? '';
    const { failure, coverage, ...result } = await runCampaign({ etcdBinary: binary, seed, sequences });
    if (failure !== undefined) {
      throw new Error(`${commandFor(seed, failure.sequence)}\n${await explain(failure, binary)}`);
    }
    expect(result.sequences).toBe(sequences);
    // That everything was tried is for the full run to say; that hardly anything was is an error here too.
    expect(coverage.missing().length, coverage.missing().join('; ')).toBeLessThan(25);
    expect(coverage.watchEvents).toBeGreaterThan(500);
  },
  180_000,
);
