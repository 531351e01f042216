import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { allowedImports, allowedPackages } from './layers.js';
import { packageOf, readSources, specifiersOf } from './source-tree.js';

interface Manifest {
  readonly exports: Readonly<Record<string, string | { readonly types: string; readonly default: string }>>;
  readonly files: readonly string[];
  readonly type: string;
  readonly dependencies: Readonly<Record<string, string>>;
}

const root = fileURLToPath(new URL('../../', import.meta.url));
const manifest = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as Manifest;
const entries = Object.entries(manifest.exports).filter(([subpath]) => subpath !== './package.json');
/** Layers that users reach only through the primitives above them. */
const internal = new Set([
  'agent',
  'errors',
  'index',
  'engine',
  'commit',
  'watch',
  'line',
  'payload',
  'mirror',
  'guard',
]);

describe('exports of the package', () => {
  test.each(entries)('%s has its source, and its types beside', (subpath, target) => {
    if (typeof target === 'string') throw new Error(`${subpath} has no types`);
    const folder = subpath === '.' ? '' : `${subpath.slice(2)}/`;
    expect(target).toEqual({
      types: `./dist/${folder}index.d.ts`,
      default: `./dist/${folder}index.js`,
    });
    expect(existsSync(`${root}src/${folder}index.ts`)).toBe(true);
  });

  test('every public layer has a subpath', () => {
    const missing = Object.keys(allowedImports).filter(
      (layer) => !internal.has(layer) && !(`./${layer}` in manifest.exports),
    );
    expect(missing).toEqual([]);
  });

  test('types come before the code, which is the order in which resolvers read', () => {
    for (const [, target] of entries) expect(Object.keys(target)).toEqual(['types', 'default']);
  });

  test.each(entries)('%s can be imported', async (subpath) => {
    const folder = subpath === '.' ? '' : `${subpath.slice(2)}/`;
    const module = (await import(`${root}src/${folder}index.ts`)) as Record<string, unknown>;
    expect(Object.keys(module)).not.toEqual([]);
    expect(module).not.toHaveProperty('default');
  });

  test('the index knows no adapter, so importing it loads no client and no server', () => {
    const index = readSources().find((file) => file.path === 'index.ts');
    expect(index && specifiersOf(index).some((name) => /etcd3|embedded|memory/.test(name))).toBe(false);
  });

  test('what src imports is declared, and nothing more', () => {
    const used = new Set(
      readSources()
        .flatMap(specifiersOf)
        .filter((specifier) => !specifier.startsWith('.') && !specifier.startsWith('node:'))
        .map(packageOf),
    );
    expect([...used].sort()).toEqual(Object.keys(manifest.dependencies).sort());
    expect(Object.values(allowedPackages).flat()).toEqual(expect.arrayContaining([...used]));
  });

  test('only what users need is packed', () => {
    expect(manifest.files).toEqual(['dist', 'docs', 'CHANGELOG.md']);
    expect(manifest.type).toBe('module');
  });
});
