import { describe, expect, it } from 'vitest';
import { checkedDefinition } from '../../../src/queues/conditions/definition.js';
import { DispatchPlan } from '../../../src/queues/dispatch/dispatch-plan.js';
import type { QueueChange } from '../../../src/queues/dispatch/messages.js';
import { type ConditionDefinition, size } from '../../../src/queues/index.js';
import { type ItemId, itemId, placeOf } from '../../../src/queues/keys.js';
import { openControl } from '../../../src/queues/records/index.js';

function id(n: number): ItemId {
  return itemId(n, 'p', n);
}

/** The plan of a condition queue with one worker, as of revision 10; nothing has gathered. */
function started(definition: ConditionDefinition): DispatchPlan {
  const start = placeOf(1);
  const plan = new DispatchPlan();
  const state = {
    ...{ revision: 10, levels: [{ name: '', gate: start, start }], timeMs: 0 },
    control: { mod: 0, control: openControl },
    workers: [{ id: 'w', create: 5, slots: 4, concurrency: 4 }],
    ...{ generations: new Map(), records: new Map(), existing: new Set<ItemId>(), cancelled: new Map() },
    conditions: {
      ...{ definition: checkedDefinition(definition), definedAt: 2 },
      released: { number: 0, upTo: placeOf(0) },
      ...{ gates: new Map(), done: new Set<string>(), present: new Map(), start },
    },
  };
  plan.apply({ type: 'loaded', state }, 0);
  return plan;
}

function told(plan: DispatchPlan, revision: number, change: QueueChange, nowMs: number): void {
  plan.apply({ type: 'changes', revision, changes: [{ revision, change }] }, nowMs);
}

/** Sends what it wants to write until it wants nothing. */
function settle(plan: DispatchPlan, nowMs: number): number {
  for (let count = 0; ; count += 1) {
    const write = plan.nextWrite(nowMs);
    if (write === undefined) return count;
    const outcome = {
      revision: 20,
      assignment: { accepted: true },
      takenBack: [],
      gateMoved: false,
    } as const;
    plan.apply({ type: 'written', write, outcome: { ...outcome, released: true } }, nowMs);
  }
}

describe('the plan of a condition queue', () => {
  it('is at rest while items gather: nothing is read, and no beat is written', () => {
    const plan = started({ when: size(3) });
    const from = placeOf(1);
    expect(plan.nextLook()).toEqual({ from, sizes: [] });
    plan.apply({ type: 'looked', sight: { from, revision: 10, count: 0, places: new Map() } }, 0);
    settle(plan, 0);
    told(plan, 12, { type: 'item-created', item: { id: id(11), create: 12 } }, 1_000);
    // The one that says that this item is known.
    expect(settle(plan, 1_000)).toBe(1);
    expect(plan.wakeAtMs(1_000)).toBeUndefined();
    expect(plan.nextRead()).toBeUndefined();
    expect(plan.nextLook()).toBeUndefined();
  });

  it('QUEUE-27 gives out nothing more, and reads nothing, under a definition that has changed', () => {
    const plan = started({});
    settle(plan, 0);
    expect(plan.nextRead()).toBeDefined();
    told(plan, 11, { type: 'condition', change: { type: 'defined' } }, 1);
    expect(plan.isOutdated).toBe(true);
    expect(plan.nextWrite(1)).toBeUndefined();
  });
});
