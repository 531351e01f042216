/**
 * Runs the flows and proves what they promise: `npm run demo`, or one of them with `npm run demo -- flash-sale`.
 * Works on an embedded server; with QUORATE_ENDPOINTS set, on that cluster. Exits non-zero if a claim does not hold.
 */
import { codeTable } from './code-table/run.js';
import { configRollout } from './config-rollout/run.js';
import { flashSale } from './flash-sale/run.js';
import { indexBuilder } from './index-builder/run.js';
import { jobWorkers } from './job-workers/run.js';
import { logCollectors } from './log-collectors/run.js';
import { type Cluster, openCluster } from './support/cluster.js';
import { type Claim, Flow } from './support/flow.js';

const flows: Readonly<Record<string, (flow: Flow) => Promise<Claim[]>>> = {
  'index-builder': indexBuilder,
  'job-workers': jobWorkers,
  'flash-sale': flashSale,
  'code-table': codeTable,
  'log-collectors': logCollectors,
  'config-rollout': configRollout,
};
/** A flow that hangs is a flow that failed. */
const limitMs = 120_000;

async function runFlow(cluster: Cluster, name: string): Promise<Claim[]> {
  const run = flows[name];
  if (run === undefined) throw new Error(`no flow ${name}; there are ${Object.keys(flows).join(', ')}`);
  const flow = new Flow(cluster, name);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not done within ${limitMs / 1_000} s`)), limitMs);
  });
  try {
    return await Promise.race([run(flow), late]);
  } catch (error) {
    console.error(error);
    return [{ claim: 'the flow runs to its end', evidence: String(error), holds: false }];
  } finally {
    clearTimeout(timer);
    await flow.close();
  }
}

function printTable(rows: readonly (Claim & { readonly flow: string })[]): void {
  const width = (column: 'flow' | 'claim') => Math.max(...rows.map((row) => row[column].length));
  console.log('\nWhat was proved:');
  for (const row of rows) {
    const cells = [
      row.holds ? 'ok  ' : 'FAIL',
      row.flow.padEnd(width('flow')),
      row.claim.padEnd(width('claim')),
    ];
    console.log(`  ${cells.join('  ')}  ${row.evidence}`);
  }
}

const chosen = process.argv.slice(2);
const cluster = await openCluster();
console.log(`Working on ${cluster.description}.`);
const rows: (Claim & { readonly flow: string })[] = [];
try {
  for (const name of chosen.length > 0 ? chosen : Object.keys(flows)) {
    rows.push(...(await runFlow(cluster, name)).map((claim) => ({ flow: name, ...claim })));
  }
} finally {
  await cluster.close();
}
printTable(rows);
const failed = rows.filter((row) => !row.holds).length;
console.log(`\n${rows.length - failed} of ${rows.length} claims hold.`);
if (failed > 0) process.exitCode = 1;
