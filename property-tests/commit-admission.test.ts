import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bounds, KeySet } from '../src/commit/key-set.js';
import { inRange, type KeyRange } from '../src/store/index.js';
import { propertyRuns } from '../test/support/property-runs.js';

const key = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 3 });
const range: fc.Arbitrary<KeyRange> = fc.oneof(
  fc.record({ key }),
  fc.record({ key, rangeEnd: fc.oneof(key, fc.constant('\0')) }),
);
const letters = ['a', 'b', 'c'];
const universe = letters.flatMap((x) => [
  x,
  ...letters.flatMap((y) => [x + y, ...letters.map((z) => x + y + z)]),
]);

describe('COMMIT-1 key sets', () => {
  it('meet a key or range if and only if some key lies in both', () => {
    fc.assert(
      fc.property(
        fc.array(range, { maxLength: 12 }),
        fc.array(range, { minLength: 1, maxLength: 6 }),
        (added, asked) => {
          const set = new KeySet();
          for (const each of added) {
            const between = bounds(each);
            if (between === undefined) set.addPoint(each.key);
            else set.addRange(between.start, between.end);
          }
          for (const each of asked) {
            const between = bounds(each);
            const meets =
              between === undefined ? set.meetsPoint(each.key) : set.meetsRange(between.start, between.end);
            const shared = universe.some(
              (one) => inRange(each, one) && added.some((other) => inRange(other, one)),
            );
            // Ranges may share keys that are not in this universe: then saying yes is right too.
            if (shared) expect(meets).toBe(true);
            else if (between === undefined) expect(meets).toBe(false);
            else if (meets) expect(added.some((other) => overlap(each, other))).toBe(true);
          }
        },
      ),
      propertyRuns(500),
    );
  });
});

function overlap(left: KeyRange, right: KeyRange): boolean {
  const [one, two] = [bounds(left), bounds(right)];
  if (one === undefined) return inRange(right, left.key);
  if (two === undefined) return inRange(left, right.key);
  return one.start < two.end && two.start < one.end && one.start < one.end && two.start < two.end;
}
