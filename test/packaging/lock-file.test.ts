import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

interface Locked {
  readonly resolved?: string;
  readonly version?: string;
  readonly integrity?: string;
  readonly hasInstallScript?: boolean;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const text = readFileSync(new URL('../../package-lock.json', import.meta.url), 'utf8');
const { packages } = JSON.parse(text) as { packages: Readonly<Record<string, Locked>> };
const installed = Object.entries(packages).filter(([path]) => path !== '');

test('names no registry, so that npm ci works with any', () => {
  expect(installed.filter(([, locked]) => locked.resolved !== undefined)).toEqual([]);
  expect(text).not.toMatch(/https?:\/\/[^"]*registry/);
});

test('pins every package by version and content', () => {
  expect(installed.length).toBeGreaterThan(50);
  expect(installed.filter(([, locked]) => !locked.version || !locked.integrity)).toEqual([]);
});

test('nothing needs an install script: the one there is only prints advice', () => {
  const scripted = installed.filter(
    ([, locked]) => locked.hasInstallScript && !locked.dev && !locked.optional,
  );
  expect(scripted.map(([path]) => path)).toEqual(['node_modules/protobufjs']);
});

test('is whole: what a package wants on any platform is locked too, or npm ci refuses', () => {
  const names = new Set(installed.map(([path]) => path.slice(path.lastIndexOf('node_modules/') + 13)));
  const missing = Object.entries(packages).flatMap(([path, { dependencies, optionalDependencies }]) =>
    Object.keys({ ...dependencies, ...optionalDependencies })
      .filter((name) => !names.has(name))
      .map((name) => `${path} wants ${name}`),
  );
  expect(missing).toEqual([]);
});
