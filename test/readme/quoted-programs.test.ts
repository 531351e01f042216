import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { blocksOf, runExample } from '../support/examples.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Pages, the file that each quotes, and what tells its blocks from others of the page. */
describe.each([
  ['docs/atomics.md', 'examples/atomics/transfers.ts', ' transfers'],
  ['docs/cyclic-barrier.md', 'examples/barriers/steps.ts', ''],
  ['docs/deadlocks.md', 'examples/deadlock/transfers.ts', ''],
  ['docs/phaser.md', 'examples/barriers/phases.ts', ''],
  ['docs/pubsub.md', 'examples/pubsub/prices.ts', ' prices'],
])('%s', (file, example, name) => {
  it('quotes its program as it is, and what it prints', async () => {
    const blocks = blocksOf(readFileSync(`${root}${file}`, 'utf8'));
    const first = (info: string) => blocks.find((block) => block.info === info)?.text;
    const program = `${root}${example}`;
    expect(first(`ts${name}`)).toBe(readFileSync(program, 'utf8'));
    const { stdout, stderr } = await runExample(program);
    expect(stderr).toBe('');
    expect(stdout).toBe(first(`text${name}`));
  });
});
