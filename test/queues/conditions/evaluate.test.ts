import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nothing, reach } from '../../../src/queues/conditions/evaluate.js';
import {
  all,
  any,
  done,
  equals,
  gate,
  present,
  type QueueCondition,
  size,
} from '../../../src/queues/index.js';
import { propertyRuns } from '../../support/property-runs.js';

interface Seen {
  /** Of each gathered item its task, `-` for none. */
  readonly items: string;
  readonly done?: string;
  readonly open?: boolean;
}

/** Up to how many items it reaches; 0: it needs none; undefined: it does not hold. */
function reachOf(
  condition: QueueCondition,
  { items, done: completed = '', open = false }: Seen,
): number | undefined {
  const behind = (index: number) => (index < 0 ? undefined : String(index + 1).padStart(3, '0'));
  const place = reach(condition, {
    behindCount: (count) => (count > items.length ? undefined : behind(count - 1)),
    behindTask: (task) => behind(items.indexOf(task)),
    isDone: (task) => completed.includes(task),
    gateValue: (name) => (open && name === 'g' ? 1 : undefined),
  });
  return place === nothing ? 0 : place === undefined ? undefined : Number(place);
}

/** The same by trying. */
function shortest(condition: QueueCondition, seen: Seen): number | undefined {
  const holds = (part: QueueCondition, count: number): boolean => {
    const items = seen.items.slice(0, count);
    switch (part.type) {
      case 'size':
        return count >= part.count;
      case 'present':
        return part.tasks.every((task) => items.includes(task));
      case 'done':
        return part.tasks.every((task) => seen.done?.includes(task));
      case 'gate':
        return seen.open === true;
      case 'all':
        return part.of.every((inner) => holds(inner, count));
      case 'any':
        return part.of.some((inner) => holds(inner, count));
    }
  };
  for (let count = 0; count <= seen.items.length; count += 1) if (holds(condition, count)) return count;
  return undefined;
}

const { tree } = fc.letrec<{ tree: QueueCondition }>((tie) => ({
  tree: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.integer({ min: 1, max: 6 }).map(size),
    fc.uniqueArray(fc.constantFrom('a', 'b', 'c'), { minLength: 1 }).map((tasks) => present(...tasks)),
    fc.uniqueArray(fc.constantFrom('a', 'b', 'c'), { minLength: 1 }).map((tasks) => done(...tasks)),
    fc.constant(gate('g', equals(1))),
    fc.array(tie('tree'), { minLength: 1, maxLength: 3 }).map((of) => all(...of)),
    fc.array(tie('tree'), { minLength: 1, maxLength: 3 }).map((of) => any(...of)),
  ),
}));

const seen: fc.Arbitrary<Seen> = fc.record({
  items: fc.array(fc.constantFrom('a', 'b', 'c', '-'), { maxLength: 7 }).map((items) => items.join('')),
  done: fc.constantFrom('', 'a', 'bc', 'abc'),
  open: fc.boolean(),
});

describe('reach', () => {
  it.each<[QueueCondition, Seen, number | undefined]>([
    [size(2), { items: '-' }, undefined],
    [size(2), { items: '---' }, 2],
    [present('a', 'b'), { items: 'b-a-b' }, 3],
    [present('a', 'b'), { items: 'aaa' }, undefined],
    [done('a'), { items: '--', done: 'a' }, 0],
    [all(size(2), gate('g', equals(1))), { items: '---', open: true }, 2],
    [all(size(2), gate('g', equals(1))), { items: '---' }, undefined],
    [any(size(2), gate('g', equals(1))), { items: '---', open: true }, 0],
    [any(size(3), present('a')), { items: '-a--' }, 2],
    [all(size(3), present('a')), { items: '-a--' }, 3],
  ])('of %j, seeing %j, is %s', (condition, state, expected) => {
    expect(reachOf(condition, state)).toBe(expected);
  });

  it('is the shortest part from the front for which the condition holds', () => {
    fc.assert(
      fc.property(tree, seen, (condition, state) => {
        expect(reachOf(condition, state)).toBe(shortest(condition, state));
      }),
      propertyRuns(2_000),
    );
  });
});
