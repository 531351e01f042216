import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** What the page has first between three backticks and `info`, and the next three. */
function block(page: string, info: string): string | undefined {
  return new RegExp(`^\`\`\`${info}\\n([\\s\\S]*?)^\`\`\`$`, 'm').exec(page)?.[1];
}

describe.each([
  ['docs/cyclic-barrier.md', 'examples/barriers/steps.ts'],
  ['docs/phaser.md', 'examples/barriers/phases.ts'],
])('%s', (file, example) => {
  it('quotes its program as it is, and what it prints', async () => {
    const page = readFileSync(`${root}${file}`, 'utf8');
    const program = `${root}${example}`;
    expect(block(page, 'ts')).toBe(readFileSync(program, 'utf8'));
    const { stdout, stderr } = await promisify(execFile)(
      process.execPath,
      ['--import', import.meta.resolve('tsx'), program],
      {
        cwd: root,
        timeout: 20_000,
        env: { ...process.env, TSX_TSCONFIG_PATH: `${root}examples/tsconfig.json` },
      },
    );
    expect(stderr).toBe('');
    expect(stdout).toBe(block(page, 'text'));
  });
});
