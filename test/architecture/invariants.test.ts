import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..', '..');
const id = /\b(?:LOCK|ELECTION|SESSION|WATCH|COMMIT|QUEUE|ENGINE)-\d+\b/g;

function filesBelow(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => join(folder, file));
}

/** Ids in the titles of tests, and in what assertions say. */
function idsInTests(): Set<string> {
  const files = [...filesBelow('test'), ...filesBelow('property-tests')];
  const texts = files
    .filter((file) => !file.includes('architecture'))
    .map((file) => readFileSync(join(root, file), 'utf8'));
  return new Set(texts.flatMap((text) => text.match(id) ?? []));
}

function idsOnThePage(): string[] {
  const page = readFileSync(join(root, 'docs', 'invariants.md'), 'utf8');
  return [...page.matchAll(/^\| ([A-Z]+-\d+) \|/gm)].map((match) => match[1] ?? '');
}

describe('docs/invariants.md', () => {
  it('lists every invariant that a test names, once', () => {
    const page = idsOnThePage();
    expect(new Set(page).size).toBe(page.length);
    expect([...idsInTests()].filter((one) => !page.includes(one))).toEqual([]);
  });

  it('lists none that no test names', () => {
    const tested = idsInTests();
    expect(idsOnThePage().filter((one) => !tested.has(one))).toEqual([]);
    expect(idsOnThePage().length).toBeGreaterThan(30);
  });

  it('names properties that exist', () => {
    const page = readFileSync(join(root, 'docs', 'invariants.md'), 'utf8');
    const named = [...page.matchAll(/`(property-tests\/[^`]+)`/g)].map((match) => match[1] ?? '');
    expect(named.length).toBeGreaterThan(10);
    const files = filesBelow('property-tests');
    expect(named.filter((file) => !files.includes(file))).toEqual([]);
  });
});
