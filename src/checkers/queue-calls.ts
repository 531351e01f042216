/** Whether what producers were told of their calls is true, and whether items lie in the order of the calls. */
import { type LevelName, levelOf } from '../queues/keys.js';
import type { EnqueueCall, SeenItem } from './queue.js';
import { broken } from './sentences.js';

interface Placed {
  readonly call: EnqueueCall;
  readonly item: SeenItem;
}

/** Throws QUEUE-1, QUEUE-2 and QUEUE-4, or in place of that QUEUE-21 where there are levels. */
export function checkCalls(calls: readonly EnqueueCall[], items: readonly SeenItem[]): void {
  const byPayload = new Map<string, SeenItem>();
  for (const item of items) {
    const twin = byPayload.get(item.payload);
    if (twin)
      broken('QUEUE-2', `the call of ${item.payload} made two items: ${describe(twin)}, ${describe(item)}`);
    byPayload.set(item.payload, item);
  }
  const known = new Map(calls.map((call) => [call.payload, call]));
  for (const item of items) {
    const call = known.get(item.payload);
    if (call === undefined) broken('QUEUE-2', `nobody enqueued ${describe(item)}`);
    if (call.outcome === 'not-applied') {
      broken('QUEUE-2', `${call.producer} was told that it had not enqueued ${describe(item)}`);
    }
    if (call.outcome === 'enqueued' && call.id !== item.id) {
      broken('QUEUE-2', `${call.producer} was told of the id ${call.id}, and it is ${describe(item)}`);
    }
  }
  const placed: Placed[] = [];
  for (const call of calls) {
    const item = byPayload.get(call.payload);
    if (item !== undefined) placed.push({ call, item });
    else if (call.outcome === 'enqueued') {
      broken(
        'QUEUE-1',
        `${call.producer} was told that ${call.payload} is item ${call.id}, and it never was`,
      );
    }
  }
  const byLevel = new Map<LevelName, Placed[]>();
  for (const one of placed) {
    const level = levelOf(one.item.id);
    const same = byLevel.get(level);
    if (same === undefined) byLevel.set(level, [one]);
    else same.push(one);
  }
  for (const ofLevel of byLevel.values()) checkOrder(ofLevel);
}

/** A call is before another if it had returned when the other began, or if one producer made both, in that order. */
function checkOrder(placed: readonly Placed[]): void {
  const returned = placed.filter(({ call }) => call.outcome === 'enqueued' && call.returnedAt !== undefined);
  checkBefore(placed, returned, ({ call }) => call.returnedAt ?? 0);
  const byProducer = new Map<string, Placed[]>();
  for (const one of placed) {
    const { producer } = one.call;
    const same = byProducer.get(producer);
    if (same === undefined) byProducer.set(producer, [one]);
    else same.push(one);
  }
  for (const own of byProducer.values()) checkBefore(own, own, ({ call }) => call.calledAt);
}

/** Throws if one of `later` is not behind all of `earlier` that ended before it was called. */
function checkBefore(
  later: readonly Placed[],
  earlier: readonly Placed[],
  endOf: (placed: Placed) => number,
): void {
  const ends = [...earlier].sort((left, right) => endOf(left) - endOf(right));
  const calls = [...later].sort((left, right) => left.call.calledAt - right.call.calledAt);
  let next = 0;
  let [highest, lastGiven]: (Placed | undefined)[] = [];
  for (const one of calls) {
    for (let end = ends[next]; end && endOf(end) < one.call.calledAt; end = ends[next]) {
      if (highest === undefined || end.item.id > highest.item.id) highest = end;
      if (lastGiven === undefined || givenAt(end) > givenAt(lastGiven)) lastGiven = end;
      next += 1;
    }
    if (highest !== undefined && highest.item.id > one.item.id) outOfOrder(highest, one);
    if (one.item.firstAssigned !== undefined && lastGiven && givenAt(lastGiven) > one.item.firstAssigned) {
      outOfOrder(lastGiven, one);
    }
  }
}

/** The revision in which it was first given out; infinity if it never was, and 0 if that is not judged. */
function givenAt({ call, item }: Placed): number {
  if (call.mayBeHeld) return 0;
  return item.firstAssigned ?? Number.POSITIVE_INFINITY;
}

function outOfOrder(before: Placed, after: Placed): never {
  const calls = `${before.call.producer} called at ${before.call.calledAt}, ${after.call.producer} at ${after.call.calledAt}`;
  const order = levelOf(after.item.id) === '' ? 'QUEUE-4' : 'QUEUE-21';
  broken(order, `${describe(before.item)} is before ${describe(after.item)} (${calls})`);
}

function describe({ id, payload, create, firstAssigned }: SeenItem): string {
  const given =
    firstAssigned === undefined ? 'never given out' : `first given out at revision ${firstAssigned}`;
  return `item ${id} (${payload}, created at revision ${create}, ${given})`;
}
