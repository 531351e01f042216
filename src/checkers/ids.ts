/** Whether ids that were given out are unique, ascend, and were reserved. */
import { type Key, textOf } from '../store/index.js';
import { atTime } from './evidence.js';
import type { History } from './history.js';
import { broken } from './sentences.js';

/** Ids that one call was given. */
export interface GivenIds {
  readonly process: string;
  /** Names the object that gave them. */
  readonly allocator: string;
  readonly ids: readonly number[];
  /** Its place among the calls of this object. */
  readonly call: number;
  /** True time at which they were given. */
  readonly atMs?: number;
}

export interface IdsCheck {
  readonly history: History;
  /** The key that says what is not reserved. */
  readonly key: Key;
  readonly first: number;
  readonly given: readonly GivenIds[];
}

export interface IdsCounts {
  readonly ids: number;
  readonly blocks: number;
  /** Reserved, and never given out. */
  readonly left: number;
}

/**
 * Throws `InvariantBroken` for
 * - IDS-1: an id that was given out twice;
 * - IDS-2: an id of one object that is not above those of its earlier calls;
 * - IDS-3: an id that was not reserved when it was given out, or was below the first.
 */
export function checkIds({ history, key, first, given }: IdsCheck): IdsCounts {
  const owners = new Map<number, GivenIds>();
  for (const one of given) {
    for (const id of one.ids) {
      const before = owners.get(id);
      if (before !== undefined) {
        broken(
          'IDS-1',
          `${id} was given to ${before.process} by ${before.allocator}, and to ${one.process} by ${one.allocator}`,
        );
      }
      owners.set(id, one);
    }
  }
  checkAscent(given);
  const puts = history.eventsOf(key).filter(({ type }) => type === 'put');
  const nexts = puts.map(({ kv }) => Number(textOf(kv.value)));
  let known = 0;
  let next = first;
  for (const { process, ids, atMs } of given.toSorted((one, other) => timeOf(one) - timeOf(other))) {
    for (; known < puts.length; known += 1) {
      const putAtMs = history.timeOf(puts[known]?.kv.modRevision ?? 0);
      if (putAtMs !== undefined && atMs !== undefined && putAtMs > atMs) break;
      next = Math.max(next, nexts[known] ?? 0);
    }
    const bad = ids.find((id) => id < first || id >= next);
    if (bad === undefined) continue;
    broken('IDS-3', `${process} was given ${bad}${atTime(atMs)}, when ${first} to ${next - 1} were reserved`);
  }
  const reserved = Math.max(first, ...nexts) - first;
  return { ids: owners.size, blocks: puts.length, left: reserved - owners.size };
}

function checkAscent(given: readonly GivenIds[]): void {
  const newest = new Map<string, number>();
  for (const { allocator, ids } of given.toSorted((one, other) => one.call - other.call)) {
    for (const id of ids) {
      const before = newest.get(allocator);
      if (before !== undefined && id <= before) broken('IDS-2', `${allocator} gave ${id} after ${before}`);
      newest.set(allocator, id);
    }
  }
}

function timeOf({ atMs = Number.MAX_VALUE }: GivenIds): number {
  return atMs;
}
