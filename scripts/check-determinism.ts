/**
 * Runs the same simulations on every supported line of Node and compares their fingerprints: `npm run check:determinism`.
 * The versions come as npm packages, so nothing has to be installed beforehand.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const versions = ['20', '22', '24'];
const root = fileURLToPath(new URL('..', import.meta.url));
const program = ['--import', 'tsx', 'scripts/simulate-fingerprints.ts'];

async function fingerprints(version: string): Promise<{ node: string; lines: string[] }> {
  const node = ['--yes', '--package', `node@${version}`, '--', 'node'];
  const run = async (args: readonly string[]) =>
    (await promisify(execFile)('npx', [...node, ...args], { cwd: root, timeout: 300_000 })).stdout.trim();
  return { node: await run(['--version']), lines: (await run(program)).split('\n') };
}

const seen: { node: string; lines: string[] }[] = [];
for (const version of versions) seen.push(await fingerprints(version));
const [first] = seen;
if (first === undefined) throw new Error('no version was run');
let differences = 0;
for (const { node, lines } of seen) {
  const different = lines.filter((line, index) => line !== first.lines[index]);
  differences += different.length + Math.abs(lines.length - first.lines.length);
  console.log(`${node}: ${lines.length} runs, ${different.length} differ from those on ${first.node}`);
}
const majors = new Set(seen.map(({ node }) => node.split('.')[0]));
if (majors.size !== versions.length) throw new Error(`ran only ${[...majors].join(', ')}`);
if (differences > 0) process.exitCode = 1;
