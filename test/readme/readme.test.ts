import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/index.js';
import { runExample } from '../support/examples.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const configFile = join(root, 'examples/tsconfig.json');
const folder = mkdtempSync(join(tmpdir(), 'quorate-readme-'));
/** Pages whose programs are compiled and run. */
const pages = [
  'README.md',
  'docs/simulator.md',
  'docs/atomics.md',
  'docs/barriers.md',
  'docs/config.md',
  'docs/replicated-map.md',
].map((page) => ({
  page,
  text: readFileSync(join(root, page), 'utf8'),
}));
const programs = pages.flatMap(({ page, text }) =>
  [...text.matchAll(/^```ts\n(.*?)^```/gms)].map((block, index) => {
    const file = join(folder, `${page.replace(/\W/g, '-')}-${index + 1}.mts`);
    writeFileSync(file, block[1] ?? '');
    return { title: `${page}, program ${index + 1}`, file, text: block[1] ?? '' };
  }),
);

let server: EmbeddedServer;
beforeAll(async () => {
  server = await startEmbedded();
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

/** What the compiler says of these files, with this package's own names pointing to its sources. */
function compilerComplaints(files: readonly string[]): string[] {
  const config = ts.readConfigFile(configFile, ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config.config, ts.sys, join(root, 'examples'));
  const program = ts.createProgram(files, { ...options, typeRoots: [join(root, 'node_modules/@types')] });
  return ts
    .getPreEmitDiagnostics(program)
    .map((diagnostic) => ts.flattenDiagnosticMessageText(diagnostic.messageText, '\n'));
}

describe('the programs in the documentation', () => {
  test('are there, and the first is a lock with a fenced write in 15 lines or fewer', () => {
    expect(programs.length).toBeGreaterThan(3);
    const lines = programs[0]?.text.split('\n').filter((line) => line.trim() !== '') ?? [];
    expect(lines.length).toBeLessThanOrEqual(15);
    expect(programs[0]?.text).toContain('hold.txn');
  });

  test('compile', () => {
    expect(compilerComplaints(programs.map(({ file }) => file))).toEqual([]);
  });

  test.each(programs)(
    '$title runs to its end, and writes nothing to the error output',
    async ({ file }) => {
      const { stdout, stderr } = await runExample(file, { QUORATE_ENDPOINTS: server.endpoint });
      expect(stderr).toBe('');
      expect(stdout).not.toBe('');
    },
    120_000,
  );

  test('what the compiler is asked would complain of a wrong program', () => {
    const file = join(folder, 'wrong.mts');
    writeFileSync(file, `import { Mutex } from 'quorate';\nnew Mutex('no client', 7);\n`);
    expect(compilerComplaints([file])).not.toEqual([]);
  });

  test.each(pages)('every npm script and file that $page names exists', ({ page, text }) => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: object };
    const named = [...text.matchAll(/npm run ([a-z:]+)/g)].map((match) => match[1] ?? '');
    expect(named.filter((name) => !(name in scripts))).toEqual([]);
    const links = [...text.matchAll(/\]\(([^):]+)\)/g)].map((match) => match[1] ?? '');
    expect(links.filter((link) => !leadsSomewhere(page, link))).toEqual([]);
  });

  test('a link to a file or a heading that is not there would be noticed', () => {
    const links = [
      'docs/config.md#review',
      'docs/config.md',
      'docs/config.md#nothing',
      'docs/nothing.md#review',
    ];
    expect(links.filter((link) => leadsSomewhere('README.md', link))).toEqual(links.slice(0, 2));
  });
});

/** To a file, and, behind a `#`, to one of its headings. */
function leadsSomewhere(page: string, link: string): boolean {
  const [path = '', heading] = link.split('#');
  const file = path === '' ? join(root, page) : join(root, page, '..', path);
  if (!ts.sys.fileExists(file)) return false;
  const headings = [...readFileSync(file, 'utf8').matchAll(/^#+ (.*)$/gm)].map(([, text = '']) =>
    anchorOf(text),
  );
  return heading === undefined || headings.includes(heading);
}

/** As it is made of a heading where pages are shown. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}
