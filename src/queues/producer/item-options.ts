import { invalidArgument, shown } from '../../errors.js';
import { checkName, keyOf } from '../../store/index.js';
import { type ItemTraits, longestTraitsBytes } from '../records/index.js';

/** What may be said of an item as it is enqueued. */
export interface ItemOptions {
  /**
   * Ordering key: of the items that share one, one is worked on at a time, in queue order, and through retries. What comes to stand
   * before one that waits for its retry, being more urgent or its delay being over, goes before it.
   */
  key?: string | undefined;
  /** A group whose concurrency is limited together. */
  group?: string | undefined;
  /** Only of a {@link PriorityQueue}: a whole number from 0, the most urgent, to 31. Default 16. */
  priority?: number | undefined;
  /** Only of a {@link DelayQueue}: milliseconds before it enters the queue; a whole number from 0, up to ten years. Default 0: at once. */
  delayMs?: number | undefined;
  /** After so many failures of its handler it goes to the dead letters; a whole number from 1. Default: the worker's. */
  attempts?: number | undefined;
  /** Keeps what its handler returns for so many ms after its acknowledgement; a whole number from 1. Default: it is not kept. */
  resultMs?: number | undefined;
  /** Of a `ConditionQueue` alone: the task that it is. */
  task?: string | undefined;
  /**
   * Within the queue's idempotency window, of all calls with the same key the first puts an item and the others put nothing
   * and are answered with its id, as a `duplicate`: whatever processes they come from, whatever their payloads and options,
   * and whether or not the item is done already. So a call whose outcome is unknown can be made again.
   */
  idempotencyKey?: string | undefined;
}

const mostAttempts = 1_000_000;
/** A year. */
const longestResultMs = 365 * 24 * 3_600_000;

/** The traits in the options; undefined if there are none. Throws `invalid-argument`. */
export function traitsOf(options: ItemOptions): ItemTraits | undefined {
  const { key, group, attempts, resultMs, task } = options;
  if ([key, group, attempts, resultMs, task].every((trait) => trait === undefined)) return undefined;
  if (key !== undefined) checkName(key, 'key');
  if (group !== undefined) checkName(group, 'group');
  if (task !== undefined) checkName(task, 'task');
  if (attempts !== undefined) checkCount(attempts, 'attempts', mostAttempts);
  if (resultMs !== undefined) checkCount(resultMs, 'resultMs', longestResultMs);
  const traits = {
    ...(key === undefined ? {} : { key }),
    ...(group === undefined ? {} : { group }),
    ...(attempts === undefined ? {} : { attempts }),
    ...(resultMs === undefined ? {} : { resultMs }),
    ...(task === undefined ? {} : { task }),
  };
  const bytes = Buffer.byteLength(JSON.stringify(traits));
  if (bytes > longestTraitsBytes) {
    throw invalidArgument(
      `key, group and task take ${bytes} bytes together`,
      `at most ${longestTraitsBytes} bytes as JSON`,
    );
  }
  return traits;
}

/** The idempotency key as a part of a store's key; undefined if there is none. Throws `invalid-argument`. */
export function idempotencyKeyOf({ idempotencyKey }: ItemOptions): string | undefined {
  if (idempotencyKey === undefined) return undefined;
  checkName(idempotencyKey, 'idempotencyKey');
  return keyOf(idempotencyKey);
}

export function checkItemOptions(options: unknown): asserts options is ItemOptions {
  if (typeof options === 'object' && options !== null) return;
  throw invalidArgument(`the options of an item are of type ${typeof options}`, 'an object, or none');
}

function checkCount(value: unknown, name: string, most: number): void {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= most) return;
  throw invalidArgument(`${name} is ${shown(value)}`, `a whole number from 1 to ${most}, or none`);
}
