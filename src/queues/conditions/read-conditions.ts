/** What the dispatcher of a condition queue reads beside what every dispatcher does. */
import { isQuorateError } from '../../errors.js';
import {
  get,
  type KeyEvent,
  type KeyValue,
  type Op,
  type OpReply,
  type RangeRequest,
  type RangeResult,
} from '../../store/index.js';
import type { ItemId, QueueKeys } from '../keys.js';
import { fewestPerPage, itemsPerPage, itemsThatFit } from '../reading/page-size.js';
import { decodeItem } from '../records/index.js';
import type { GateValue } from './condition.js';
import { gateValueIn, namedIn, purgedKey, releasedIn, releasedKey } from './condition-keys.js';
import { type Definition, decodeDefinition, itemsAskedFor } from './definition.js';
import { behind } from './gathering.js';
import type { ConditionChange, GatheredLook, GatheredSight, LoadedConditions } from './messages.js';

/** Sends a read, again if need be; undefined if it is not wanted any more. */
type Read = (request: RangeRequest) => Promise<RangeResult | undefined>;

/** What is stored about the condition, as of one revision. */
export type StoredConditions = Omit<LoadedConditions, 'present' | 'start'>;

/** Reads that go into one transaction. */
export function conditionReads(keys: QueueKeys): readonly Op[] {
  return [get(keys.definitionKey), { type: 'range', ...keys.conditions }];
}

/** What {@link conditionReads} were answered. A definition that cannot be read is none. */
export function storedConditions(keys: QueueKeys, replies: readonly OpReply[]): StoredConditions {
  const [definitions = [], kvs = []] = replies.map((reply) => (reply.type === 'range' ? reply.kvs : []));
  const gates = new Map<string, GateValue | undefined>();
  const done = new Set<string>();
  for (const kv of kvs) {
    const name = namedIn(keys, 'gate', kv.key);
    if (name !== undefined) gates.set(name, gateValueIn(kv));
    const task = namedIn(keys, 'task', kv.key);
    if (task !== undefined) done.add(task);
  }
  const [definition] = definitions;
  return {
    definition: definition && definitionIn(definition),
    definedAt: definition?.modRevision ?? 0,
    released: releasedIn(kvs.find(({ key }) => key === releasedKey(keys))),
    gates,
    done,
  };
}

/** Undefined if it cannot be read. */
export function definitionIn(kv: KeyValue): Definition | undefined {
  try {
    return decodeDefinition(kv.value);
  } catch {
    return undefined;
  }
}

/**
 * The items from `from` on of the tasks that the definition wants present, at that revision. Reads through all that has gathered;
 * nothing if none are wanted. `'compacted'`: history was, under it.
 */
export async function presentTasks(
  keys: QueueKeys,
  { definition, released }: StoredConditions,
  at: { readonly from: ItemId; readonly revision: number },
  read: Read,
): Promise<ReadonlyMap<ItemId, string> | 'compacted'> {
  const wanted = new Set(definition?.when ? itemsAskedFor(definition.when).tasks : []);
  const present = new Map<ItemId, string>();
  if (wanted.size === 0 || released.upTo === undefined) return present;
  const { from, revision } = at;
  const { rangeEnd } = keys.itemsBetween(from, undefined);
  // How large they are is not known before.
  let limit = fewestPerPage;
  for (let key = keys.item(from); ; ) {
    const page = await read({ key, rangeEnd, limit, revision }).catch((error: unknown) => {
      if (isQuorateError(error, 'compacted')) return 'compacted' as const;
      throw error;
    });
    if (page === 'compacted') return page;
    for (const kv of page?.kvs ?? []) {
      const task = taskOf(kv);
      if (task !== undefined && wanted.has(task)) present.set(keys.nameIn(keys.items, kv.key), task);
    }
    const last = page?.kvs.at(-1);
    if (last === undefined || page?.more !== true) return present;
    key = `${last.key}\0`;
    const bytes = page.kvs.reduce((sum, { value }) => sum + value.length, 0);
    limit = itemsThatFit(page.kvs.length, bytes);
  }
}

/** Undefined if it is not wanted any more, or history was compacted under it. */
export async function lookAt(
  keys: QueueKeys,
  look: GatheredLook,
  read: Read,
): Promise<GatheredSight | undefined> {
  try {
    return await seen(keys, look, read);
  } catch (error) {
    if (isQuorateError(error, 'compacted')) return undefined;
    throw error;
  }
}

async function seen(keys: QueueKeys, look: GatheredLook, read: Read): Promise<GatheredSight | undefined> {
  const { key: first, rangeEnd } = keys.itemsBetween(look.from, undefined);
  const most = Math.max(0, ...look.sizes);
  const places = new Map<number, ItemId>();
  const options = most === 0 ? { countOnly: true } : { keysOnly: true, limit: Math.min(most, itemsPerPage) };
  let page = await read({ key: first, rangeEnd, ...options });
  if (page === undefined) return undefined;
  const { revision, count } = page;
  const sizes = new Set(look.sizes);
  for (let passed = 0; ; ) {
    for (const { key } of page.kvs) {
      passed += 1;
      if (sizes.has(passed)) places.set(passed, behind(keys.nameIn(keys.items, key)));
    }
    const last = page.kvs.at(-1);
    if (passed >= most || last === undefined || !page.more) {
      return { from: look.from, revision, count, places };
    }
    const limit = Math.min(most - passed, itemsPerPage);
    page = await read({ key: `${last.key}\0`, rangeEnd, keysOnly: true, limit, revision });
    if (page === undefined) return undefined;
  }
}

/** Undefined for a key of something else. */
export function conditionChangeOf(keys: QueueKeys, { type, kv }: KeyEvent): ConditionChange | undefined {
  if (kv.key === keys.definitionKey) return { type: 'defined' };
  if (kv.key === releasedKey(keys)) return { type: 'released' };
  if (kv.key === purgedKey(keys)) return { type: 'purged' };
  const name = namedIn(keys, 'gate', kv.key);
  if (name !== undefined) return { type: 'gate', name, value: type === 'put' ? gateValueIn(kv) : undefined };
  const task = namedIn(keys, 'task', kv.key);
  return task === undefined || type === 'delete' ? undefined : { type: 'task-done', task };
}

function taskOf({ value }: KeyValue): string | undefined {
  try {
    return decodeItem(value).traits?.task;
  } catch {
    return undefined;
  }
}
