import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const page = readFileSync(`${root}docs/pubsub.md`, 'utf8');
const program = `${root}examples/pubsub/prices.ts`;

/** What the page has between three backticks and `info`, and the next three. */
function block(info: string): string | undefined {
  return new RegExp(`^\`\`\`${info}\\n([\\s\\S]*?)^\`\`\`$`, 'm').exec(page)?.[1];
}

describe('docs/pubsub.md', () => {
  it('quotes its program as it is, and what it prints', async () => {
    expect(block('ts prices')).toBe(readFileSync(program, 'utf8'));
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
    expect(stdout).toBe(block('text prices'));
  });
});
