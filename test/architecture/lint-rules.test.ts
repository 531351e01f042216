import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const planted = [
  'setTimeout(() => {}, 1);\n',
  'export const at = performance.now();\n',
  'export const at = Date.now();\n',
  'export const at = new Date();\n',
  'export const chance = Math.random();\n',
  'export const soon = AbortSignal.timeout(5);\n',
  `import { randomUUID } from 'node:crypto';\n\nexport const id = randomUUID();\n`,
  `import { setTimeout as delay } from 'node:timers/promises';\n\nexport { delay };\n`,
].map((text, index) => ({ text, file: `planted-${index + 1}.ts` }));

interface Report {
  readonly diagnostics: readonly {
    readonly severity: string;
    readonly message: unknown;
    readonly location?: { readonly path?: unknown };
  }[];
}

/** What the linter, with the rules of this project, says of a folder with nothing but the planted files. */
function lint(folder: string): Report {
  const scratch = mkdtempSync(join(tmpdir(), 'quorate-lint-'));
  scratchFolders.push(scratch);
  cpSync(join(root, 'biome.json'), join(scratch, 'biome.json'));
  cpSync(join(root, 'scripts/lint'), join(scratch, 'scripts/lint'), { recursive: true });
  mkdirSync(join(scratch, folder), { recursive: true });
  for (const { file, text } of planted) writeFileSync(join(scratch, folder, file), text);
  const biome = join(root, 'node_modules/@biomejs/biome/bin/biome');
  const args = [biome, 'lint', '--reporter=json', '--max-diagnostics=none', folder];
  const run = spawnSync(process.execPath, args, { cwd: scratch, encoding: 'utf8' });
  return JSON.parse(run.stdout) as Report;
}

function errorsIn(report: Report, file: string): unknown[] {
  return report.diagnostics.filter(
    ({ severity, location }) => severity === 'error' && JSON.stringify(location?.path ?? '').includes(file),
  );
}

const scratchFolders: string[] = [];
let outside: Report;
let inside: Report;
beforeAll(() => {
  outside = lint('src/session');
  inside = lint('src/runtime');
});
afterAll(() => {
  for (const folder of scratchFolders) rmSync(folder, { recursive: true, force: true });
});

describe('the linter keeps clocks, timers and chance in src/runtime', () => {
  test.each(planted)('it refuses $text elsewhere', ({ file }) => {
    expect(errorsIn(outside, file)).not.toEqual([]);
    expect(errorsIn(inside, file)).toEqual([]);
  });
});
