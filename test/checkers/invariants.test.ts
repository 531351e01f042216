import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { InvariantBroken, invariants } from '../../src/checkers/index.js';
import { proofOf, termWonAt } from '../../src/checkers/place-order.js';
import { broken } from '../../src/checkers/sentences.js';
import { fencingToken } from '../../src/line/index.js';

const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'invariants.md'), 'utf8');

describe('the sentences of the invariants', () => {
  it('are those of docs/invariants.md, all of them', () => {
    const rows = [...page.matchAll(/^\| ([A-Z]+-\d+) \| (.*?) \|/gm)].map((match) => [match[1], match[2]]);
    expect(Object.fromEntries(rows)).toEqual(invariants);
  });

  it('are thrown with their id and the evidence', () => {
    const check = () => broken('SESSION-3', 'it came back at 7 ms');
    expect(check).toThrow(InvariantBroken);
    expect(check).toThrow(/^SESSION-3 Lost is final: it came back at 7 ms$/);
  });
});

describe('tokens', () => {
  it('are read as the line makes them', () => {
    for (const [revision, grant] of [
      [7, 0],
      [7, 1_023],
      [8, 0],
    ] as const) {
      expect(proofOf(fencingToken(revision, grant))).toBe(revision);
    }
    expect(termWonAt(9)).toBe(fencingToken(9, 0));
  });
});
