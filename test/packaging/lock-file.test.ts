import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';

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

function readLock(path: string) {
  const text = readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
  const { packages } = JSON.parse(text) as { packages: Readonly<Record<string, Locked>> };
  return { text, packages, installed: Object.entries(packages).filter(([place]) => place !== '') };
}

const ownLock = 'package-lock.json';

describe.each([
  { path: ownLock, atLeast: 50 },
  { path: 'bench/peers/node/package-lock.json', atLeast: 15 },
])('$path', ({ path, atLeast }) => {
  const { text, packages, installed } = readLock(path);

  test('names no registry, so that npm ci works with any', () => {
    expect(installed.filter(([, locked]) => locked.resolved !== undefined)).toEqual([]);
    expect(text).not.toMatch(/https?:\/\/[^"]*registry/);
  });

  test('pins every package by version and content', () => {
    expect(installed.length).toBeGreaterThan(atLeast);
    expect(installed.filter(([, locked]) => !locked.version || !locked.integrity)).toEqual([]);
  });

  test('is whole: what a package wants on any platform is locked too, or npm ci refuses', () => {
    const names = new Set(installed.map(([place]) => place.slice(place.lastIndexOf('node_modules/') + 13)));
    const missing = Object.entries(packages).flatMap(([place, { dependencies, optionalDependencies }]) =>
      Object.keys({ ...dependencies, ...optionalDependencies })
        .filter((name) => !names.has(name))
        .map((name) => `${place} wants ${name}`),
    );
    expect(missing).toEqual([]);
  });
});

test('nothing needs an install script: the one there is only prints advice', () => {
  const scripted = readLock(ownLock).installed.filter(
    ([, locked]) => locked.hasInstallScript && !locked.dev && !locked.optional,
  );
  expect(scripted.map(([path]) => path)).toEqual(['node_modules/protobufjs']);
});
