import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import { allowedImports, allowedPackages } from './layers.js';
import { layerOf, packageOf, readSources, type SourceFile, specifiersOf, targetOf } from './source-tree.js';

/** Every import that the tables do not allow, as a sentence. */
function violations(files: readonly SourceFile[]): string[] {
  const found: string[] = [];
  const paths = new Set(files.map((file) => file.path));
  for (const file of files) {
    const from = layerOf(file.path);
    const allowed = allowedImports[from];
    if (allowed === undefined) {
      found.push(`${file.path}: the folder ${from} has no line in the table of layers`);
      continue;
    }
    for (const specifier of specifiersOf(file)) {
      const target = targetOf(file, specifier);
      if (target === undefined) {
        const name = packageOf(specifier);
        if (!(allowedPackages[from] ?? []).includes(name))
          found.push(`${file.path}: ${from} imports ${name}`);
        continue;
      }
      const to = layerOf(target);
      if (!paths.has(target)) found.push(`${file.path}: imports ${specifier}, which does not exist`);
      else if (to !== from && !allowed.includes(to)) found.push(`${file.path}: ${from} imports ${to}`);
    }
  }
  return found;
}

/** Layers in an order in which each comes after all it may import; undefined if the table has a cycle. */
function bottomUp(table: Readonly<Record<string, readonly string[]>>): string[] | undefined {
  const order: string[] = [];
  const left = new Set(Object.keys(table));
  while (left.size > 0) {
    const next = [...left].find((layer) => (table[layer] ?? []).every((below) => !left.has(below)));
    if (next === undefined) return undefined;
    order.push(next);
    left.delete(next);
  }
  return order;
}

const tree = readSources();

describe('direction of imports', () => {
  test('every import in src goes down along an edge of the table', () => {
    expect(tree.length).toBeGreaterThan(10);
    expect(violations(tree)).toEqual([]);
  });

  test('the table has no cycle', () => {
    expect(bottomUp(allowedImports)).toBeDefined();
    expect(bottomUp({ ...allowedImports, store: ['session'] })).toBeUndefined();
  });

  test.each([
    ['a layer above', 'store/planted.ts', `import { Client } from '../session/index.js';`],
    ['a type of a layer above', 'engine/planted.ts', `import type { Client } from '../session/index.js';`],
    ['an import type', 'runtime/planted.ts', `export type Planted = import('../store/index.js').Store;`],
    ['a dynamic import', 'session/planted.ts', `export const planted = () => import('../etcd3/index.js');`],
    ['a re-export', 'locks/planted.ts', `export * from '../embedded/index.js';`],
    ['a sibling primitive', 'locks/planted.ts', `import { Election } from '../election/index.js';`],
    ['the index', 'queues/planted.ts', `import { Client } from '../index.js';`],
    ['a package of another layer', 'locks/planted.ts', `import { Etcd3 } from 'etcd3';`],
    ['a clock', 'session/planted.ts', `import { setTimeout } from 'node:timers/promises';`],
    ['a folder without a line', 'misc/planted.ts', 'export {};'],
  ])('refuses %s', (_what, path, text) => {
    const exists = [
      'session/index.ts',
      'store/index.ts',
      'etcd3/index.ts',
      'embedded/index.ts',
      'election/index.ts',
      'index.ts',
    ].map((name) => ({ path: name, text: 'export {};' }));
    const found = violations([...exists, { path, text }]);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(path);
    expect(found[0]).not.toContain('does not exist');
  });
});

describe('indexes', () => {
  test('every index.ts only re-exports', () => {
    const others = tree
      .filter((file) => /(^|\/)index\.ts$/.test(file.path))
      .flatMap((file) =>
        ts
          .createSourceFile(file.path, file.text, ts.ScriptTarget.ES2022)
          .statements.filter((statement) => !ts.isExportDeclaration(statement) || !statement.moduleSpecifier)
          .map(() => file.path),
      );
    expect(others).toEqual([]);
  });

  test('every folder of src has an index.ts', () => {
    const paths = new Set(tree.map((file) => file.path));
    const folders = new Set(tree.filter((file) => file.path.includes('/')).map((file) => layerOf(file.path)));
    expect([...folders].filter((folder) => !paths.has(`${folder}/index.ts`))).toEqual([]);
  });
});
