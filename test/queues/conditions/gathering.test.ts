import { describe, expect, it } from 'vitest';
import { checkedDefinition } from '../../../src/queues/conditions/definition.js';
import { behind, Gathering } from '../../../src/queues/conditions/gathering.js';
import type { GatheredSight, PlannedRelease } from '../../../src/queues/conditions/messages.js';
import {
  all,
  any,
  type ConditionDefinition,
  equals,
  gate,
  present,
  size,
} from '../../../src/queues/index.js';
import { type ItemId, itemId, placeOf } from '../../../src/queues/keys.js';

const loadedAt = 10;

function id(n: number): ItemId {
  return itemId(n, 'p', n);
}

/** Loaded as of revision 10, with nothing released. */
function gathering(
  definition: ConditionDefinition,
  before: readonly (readonly [number, string])[] = [],
): Gathering {
  return new Gathering(
    {
      definition: checkedDefinition(definition),
      definedAt: 2,
      released: { number: 0, upTo: placeOf(0) },
      ...{ gates: new Map(), done: new Set() },
      present: new Map(before.map(([n, task]) => [id(n), task])),
      start: placeOf(1),
    },
    loadedAt,
  );
}

/** The n-th stands at id n. */
function sight(
  revision: number,
  count: number,
  sizes: readonly number[] = [],
  from = placeOf(1),
): GatheredSight {
  return { from, revision, count, places: new Map(sizes.map((n) => [n, behind(id(n))])) };
}

/** Items come, each in a revision of its own, and are told. */
function come(plan: Gathering, ...revisions: readonly number[]): void {
  for (const revision of revisions) {
    plan.itemCreated(id(revision - 1), undefined, revision);
    plan.heard(revision);
  }
}

describe('Gathering', () => {
  it('QUEUE-26 counts once, then what comes and goes, and looks for the n-th when there are n', () => {
    const plan = gathering({ when: size(3) });
    expect(plan.nextLook()).toEqual({ from: placeOf(1), sizes: [] });
    expect(plan.nextLook()).toBeUndefined();
    // One that came before the look was answered, and is counted by it; one after.
    come(plan, 11, 13);
    plan.looked(sight(12, 2));
    expect(plan.nextLook()).toEqual({ from: placeOf(1), sizes: [3] });
    plan.itemGone(id(12), 14);
    plan.heard(14);
    plan.looked(sight(15, 2));
    expect(plan.nextLook()).toBeUndefined();
    expect(plan.isWaiting).toBe(false);
    // Told later than it was looked at.
    come(plan, 15);
    expect(plan.nextLook()).toBeUndefined();
    come(plan, 16);
    expect(plan.nextLook()).toEqual({ from: placeOf(1), sizes: [3] });
    plan.looked(sight(17, 3, [3]));
    expect(plan.isWaiting).toBe(true);
    expect(plan.nextRelease()).toEqual({
      ...{ from: placeOf(0), upTo: behind(id(3)), revision: 16, definedAt: 2, isExact: true, count: 3 },
    });
  });

  it('QUEUE-26 looks again when what refused a release was told, and not before', () => {
    const plan = gathering({ when: size(1) });
    plan.nextLook();
    plan.looked(sight(10, 1));
    plan.nextLook();
    plan.looked(sight(12, 1, [1]));
    const release = plan.nextRelease();
    expect(release?.revision).toBe(10);
    plan.released(release as NonNullable<typeof release>, false);
    expect(plan.nextRelease()).toBeUndefined();
    expect(plan.nextLook()).toBeUndefined();
    plan.heard(11);
    expect(plan.nextLook()).toEqual({ from: placeOf(1), sizes: [1] });
  });

  it('QUEUE-26 forgets where the n-th was, if one went since then, before the answer was told or after', () => {
    const plan = gathering({ when: size(2) });
    plan.nextLook();
    plan.looked(sight(10, 3));
    plan.nextLook();
    plan.itemGone(id(1), 12);
    plan.heard(12);
    plan.looked(sight(11, 3, [2]));
    expect(plan.nextRelease()).toBeUndefined();
    expect(plan.nextLook()).toEqual({ from: placeOf(1), sizes: [2] });
    plan.looked(sight(12, 2, [2]));
    expect(plan.nextRelease()).toMatchObject({ upTo: behind(id(2)) });
    come(plan, 13);
    expect(plan.nextRelease()).toMatchObject({ upTo: behind(id(2)) });
    plan.itemGone(id(2), 14);
    expect(plan.nextRelease()).toBeUndefined();
  });

  it('QUEUE-26 counts anew if one went while the release was on its way, as it may have been of what was released', () => {
    const plan = gathering({ when: size(2) });
    plan.nextLook();
    plan.looked(sight(10, 3));
    plan.nextLook();
    plan.looked(sight(10, 3, [2]));
    const release = plan.nextRelease() as PlannedRelease;
    plan.itemGone(id(1), 12);
    plan.heard(12);
    plan.released(release, true);
    expect(plan.nextLook()).toEqual({ from: behind(id(2)), sizes: [] });
    plan.looked(sight(13, 1, [], behind(id(2))));
    come(plan, 14);
    expect(plan.nextLook()).toEqual({ from: behind(id(2)), sizes: [2] });
  });

  it('QUEUE-25 forgets a look that was sent before a release', () => {
    const plan = gathering({ when: any(present('t'), size(2)) }, [[4, 't']]);
    plan.nextLook();
    plan.looked(sight(10, 1));
    const release = plan.nextRelease();
    expect(release?.upTo).toBe(behind(id(4)));
    come(plan, 11);
    expect(plan.nextLook()).toEqual({ from: placeOf(1), sizes: [2] });
    plan.released(release as NonNullable<typeof release>, true);
    plan.looked(sight(11, 2, [2]));
    expect(plan.nextRelease()).toBeUndefined();
    expect(plan.nextLook()).toEqual({ from: behind(id(4)), sizes: [] });
    expect(plan.bound).toBe(behind(id(4)));
  });

  it('QUEUE-26 looks for a size that may be reached before the task that is there', () => {
    const plan = gathering({ when: any(present('t'), size(2)) }, [[9, 't']]);
    plan.nextLook();
    plan.looked(sight(10, 3));
    expect(plan.nextRelease()).toBeUndefined();
    expect(plan.nextLook()).toEqual({ from: placeOf(1), sizes: [2] });
    plan.looked(sight(10, 3, [2]));
    expect(plan.nextRelease()?.upTo).toBe(behind(id(2)));
  });

  it('QUEUE-26 releases by no farther part while it is not known whether a size is reached', () => {
    const plan = gathering({ when: any(size(3), present('t')) }, [[9, 't']]);
    expect(plan.nextRelease()).toBeUndefined();
    // Whoever takes over may have to release: the queue is not at rest.
    expect(plan.isWaiting).toBe(true);
    expect(plan.nextLook()).toEqual({ from: placeOf(1), sizes: [] });
    plan.looked(undefined);
    expect(plan.nextRelease()).toBeUndefined();
    expect(plan.nextLook()).toEqual({ from: placeOf(1), sizes: [] });
    plan.looked(sight(10, 5));
    expect(plan.nextRelease()).toBeUndefined();
    expect(plan.nextLook()).toEqual({ from: placeOf(1), sizes: [3] });
    plan.looked(sight(10, 5, [3]));
    expect(plan.nextRelease()?.upTo).toBe(behind(id(3)));
  });

  it('does not count first where the count changes nothing', () => {
    const open = gathering({ when: any(size(3), present('t')), release: 'latched' }, [[9, 't']]);
    expect(open.nextRelease()).toMatchObject({ upTo: undefined });
    expect(gathering({ when: present('t') }, [[9, 't']]).nextRelease()?.upTo).toBe(behind(id(9)));
  });

  it('releases batches of one size together, as many as there are, up to 1,000 items', () => {
    const plan = gathering({ when: all(size(4), gate('g', equals(1))) });
    plan.nextLook();
    plan.looked(sight(10, 5_003));
    expect(plan.nextLook()).toBeUndefined();
    plan.changed({ type: 'gate', name: 'g', value: 1 }, 11);
    plan.heard(11);
    expect(plan.nextLook()).toEqual({ from: placeOf(1), sizes: [4, 1_000] });
    plan.looked(sight(11, 5_003, [4, 1_000]));
    const release = plan.nextRelease();
    expect(release).toMatchObject({ upTo: behind(id(1_000)), count: 1_000 });
    plan.released(release as NonNullable<typeof release>, true);
    // What is left is known without another look.
    expect(plan.nextLook()).toEqual({ from: behind(id(1_000)), sizes: [4, 1_000] });
  });

  it('releases all that is there where no items are asked for, and does not wait when there is nothing', () => {
    const plan = gathering({ when: gate('g', equals(1)) });
    plan.nextLook();
    plan.looked(sight(10, 0));
    plan.changed({ type: 'gate', name: 'g', value: 1 }, 11);
    plan.heard(11);
    expect(plan.nextRelease()).toBeUndefined();
    expect(plan.isWaiting).toBe(false);
    come(plan, 12);
    expect(plan.nextRelease()).toMatchObject({ upTo: behind(id(11)), isExact: false });
    // The change of a gate that a load has seen already.
    plan.changed({ type: 'gate', name: 'g', value: 0 }, 10);
    expect(plan.isWaiting).toBe(true);
  });

  it('opens a queue without a condition at once, and without a definition never', () => {
    const plan = gathering({});
    const release = plan.nextRelease();
    expect(release).toMatchObject({ upTo: undefined, isExact: false });
    plan.released(release as NonNullable<typeof release>, true);
    expect(plan.bound).toBeUndefined();
    expect([plan.nextRelease(), plan.nextLook(), plan.isWaiting]).toEqual([undefined, undefined, false]);
    const none = new Gathering(
      {
        ...{ definition: undefined, definedAt: 0, released: { number: 0, upTo: placeOf(0) } },
        ...{ gates: new Map(), done: new Set(), present: new Map(), start: placeOf(1) },
      },
      loadedAt,
    );
    expect([none.nextRelease(), none.nextLook(), none.isWaiting]).toEqual([undefined, undefined, false]);
    expect(none.isOutdatedBy({ type: 'defined' }, loadedAt)).toBe(false);
    expect(none.isOutdatedBy({ type: 'defined' }, loadedAt + 1)).toBe(true);
  });
});
