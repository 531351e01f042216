import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const read = (path: string) => readFileSync(`${root}${path}`, 'utf8');

interface Manifest {
  readonly exports: Readonly<Record<string, unknown>>;
}

const manifest = JSON.parse(read('package.json')) as Manifest;

/** What the package exports as a class or a function, and no comment says anything of where an editor shows it. */
function undocumented(): readonly string[] {
  const entries = Object.keys(manifest.exports)
    .filter((subpath) => subpath !== './package.json')
    .map((subpath) => `${root}src/${subpath === '.' ? '' : `${subpath.slice(2)}/`}index.ts`);
  const { config } = ts.readConfigFile(`${root}tsconfig.json`, ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const program = ts.createProgram(entries, options);
  const checker = program.getTypeChecker();
  const found = new Set<string>();
  for (const entry of entries) {
    const source = program.getSourceFile(entry);
    const module = source && checker.getSymbolAtLocation(source);
    if (module === undefined) throw new Error(`${entry} exports nothing`);
    for (const exported of checker.getExportsOfModule(module)) {
      const isAlias = (exported.flags & ts.SymbolFlags.Alias) !== 0;
      const symbol = isAlias ? checker.getAliasedSymbol(exported) : exported;
      const isShown = (symbol.flags & (ts.SymbolFlags.Class | ts.SymbolFlags.Function)) !== 0;
      if (isShown && symbol.getDocumentationComment(checker).length === 0) found.add(symbol.name);
    }
  }
  return [...found].sort();
}

describe('what an editor shows', () => {
  test('of every class and function of the package there is a comment, at itself and not at the head of its file', () => {
    expect(undocumented()).toEqual([]);
  });
});

describe('the page of errors', () => {
  const codes = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, code]) => code);

  test('has every code once, and no other', () => {
    const union = /export type ErrorCode =(.*?);/s.exec(read('src/errors.ts'))?.[1] ?? '';
    const known = codes(union, /\| '([a-z-]+)'/g);
    const rows = read('docs/errors.md')
      .split('\n')
      .filter((line) => line.startsWith('| `'));
    const told = rows.flatMap((row) => codes(row.split('|')[1] ?? '', /`([a-z-]+)`/g));
    const fields = ['code', 'outcome', 'details', 'cause'];
    expect(told.filter((name) => !fields.includes(name as string)).sort()).toEqual(known.sort());
    expect(known.length).toBeGreaterThan(30);
  });
});
