import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { mutants } from '../../property-tests/mutants/index.js';
import { properties } from '../../property-tests/properties.js';
import { invariantsPage } from '../../scripts/invariants-page.js';
import { invariants } from '../../src/checkers/index.js';

const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'invariants.md'), 'utf8');
const ids = Object.keys(invariants);
const families = new Set(ids.map((id) => id.replace(/-\d+$/, '')));
const idPattern = new RegExp(`\\b(?:${[...families].join('|')})-\\d+\\b`, 'g');

describe('docs/invariants.md', () => {
  it('says what the code says (npm run docs:invariants)', () => {
    expect(page).toBe(invariantsPage());
  });

  it('has for every invariant a property or a test, and no id that is none', () => {
    const rows = page.split('\n').filter((line) => /^\| [A-Z]+-\d+ \|/.test(line));
    expect(rows.length).toBe(ids.length);
    const unproved = rows.filter(
      (row) => row.split('|')[3]?.trim() === '' && row.split('|')[5]?.trim() === '',
    );
    expect(unproved).toEqual([]);
    expect((page.match(idPattern) ?? []).filter((id) => !ids.includes(id))).toEqual([]);
  });

  it('has properties and mutants that name what exists', () => {
    const modules = properties.map(({ module }) => module);
    for (const { module, invariants: checked } of properties) {
      expect(
        checked.filter((id) => !ids.includes(id) && module !== 'toy'),
        module,
      ).toEqual([]);
    }
    for (const { name, killedBy } of mutants) expect(modules, name).toContain(killedBy);
    expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length);
  });

  it('has at least 25 planted bugs', () => {
    expect(mutants.length).toBeGreaterThanOrEqual(25);
  });
});
