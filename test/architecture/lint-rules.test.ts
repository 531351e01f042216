import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'quorate-lint-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What the linter, with the rules of this project, says of `text` if it stood at `path`. */
function lint(path: string, text: string): { failed: boolean; report: string } {
  cpSync(join(root, 'biome.json'), join(folder, 'biome.json'));
  cpSync(join(root, 'scripts/lint'), join(folder, 'scripts/lint'), { recursive: true });
  const file = join(folder, path);
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, text);
  const run = spawnSync(
    process.execPath,
    [join(root, 'node_modules/@biomejs/biome/bin/biome'), 'lint', '--colors=off', path],
    { cwd: folder, encoding: 'utf8' },
  );
  rmSync(file);
  return { failed: run.status !== 0, report: run.stdout + run.stderr };
}

const planted = [
  'setTimeout(() => {}, 1);\n',
  'export const at = performance.now();\n',
  'export const at = Date.now();\n',
  'export const at = new Date();\n',
  'export const chance = Math.random();\n',
  'export const soon = AbortSignal.timeout(5);\n',
  `import { randomUUID } from 'node:crypto';\nexport const id = randomUUID();\n`,
  `import { setTimeout as delay } from 'node:timers/promises';\nexport { delay };\n`,
];

test.each(planted)('the linter refuses %s outside src/runtime and only there', (text) => {
  const outside = lint('src/session/planted.ts', text);
  expect(outside.report).toMatch(/Runtime/);
  expect(outside.failed).toBe(true);
  const inside = lint('src/runtime/planted.ts', text);
  expect(inside.report).not.toMatch(/Runtime/);
  expect(inside.failed).toBe(false);
});
