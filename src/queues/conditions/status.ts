/** What a condition queue waits for, and what is missing: looked up from outside, as of one revision. */
import { isQuorateError, QuorateError } from '../../errors.js';
import { TimeLeft, type WaitOptions } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import { txnOf } from '../../store/index.js';
import { placeOf, type QueueKeys } from '../keys.js';
import { firstOf } from '../reading/first-of.js';
import { readStarts } from '../reading/starts.js';
import type { GateValue, QueueCondition } from './condition.js';
import { type Definition, knownNames } from './definition.js';
import { fulfils } from './evaluate.js';
import { conditionReads, presentTasks, type StoredConditions, storedConditions } from './read-conditions.js';
import { lacking } from './task-graph.js';

/** A condition, whether it holds, and if not what is missing, in words. */
export interface Explained {
  readonly condition: QueueCondition;
  readonly holds: boolean;
  readonly missing?: string;
  readonly of?: readonly Explained[];
}

export interface TaskStatus {
  readonly task: string;
  /** An item of it was completed. */
  readonly isDone: boolean;
  /** Predecessors that were not: as long as there are any, no item of the task is given out. */
  readonly waitsFor: readonly string[];
}

export interface ConditionStatus {
  readonly revision: number;
  /** How often the definition was written; 0: never. */
  readonly version: number;
  readonly definition: Definition | undefined;
  /** How many releases there were. */
  readonly releases: number;
  /** Everything passes, for good. */
  readonly isOpen: boolean;
  /** Items that were not released yet. */
  readonly gathered: number;
  /** Undefined where there is no condition, or none is waited for any more. */
  readonly condition: Explained | undefined;
  /** All tasks that the definition names. */
  readonly tasks: readonly TaskStatus[];
  readonly gates: Readonly<Record<string, GateValue>>;
}

export async function readStatus(
  { client, keys, doing }: { client: Client; keys: QueueKeys; doing: string },
  options: WaitOptions,
): Promise<ConditionStatus> {
  const left = new TimeLeft(client.runtime, options, doing);
  for (;;) {
    try {
      return await statusNow(client, keys, left);
    } catch (error) {
      // History was compacted between two reads at one revision.
      if (!isQuorateError(error, 'compacted')) throw error;
    }
  }
}

async function statusNow({ store }: Client, keys: QueueKeys, left: TimeLeft): Promise<ConditionStatus> {
  const [{ start } = { start: placeOf(0) }] = (await readStarts(store, keys, left.forRead())).levels;
  const request = txnOf({ success: conditionReads(keys) });
  const { replies, revision } = await store.txn(request, left.forRead());
  const stored = storedConditions(keys, replies);
  const { definition, released, gates, done } = stored;
  const from = released.upTo !== undefined && released.upTo > start ? released.upTo : start;
  let gathered = 0;
  const present = new Set<string>();
  if (released.upTo !== undefined) {
    const range = { ...keys.itemsBetween(from, undefined), countOnly: true, revision };
    gathered = (await store.range(range, left.forRead())).count;
    const tasks = await presentTasks(keys, stored, { from, revision }, (page) =>
      store.range(page, left.forRead()),
    );
    if (tasks === 'compacted') throw new QuorateError('compacted', 'history was compacted between two reads');
    for (const task of tasks.values()) present.add(task);
  }
  const when = released.upTo === undefined ? null : (definition?.when ?? null);
  const names = definition === undefined ? [] : [...knownNames(definition).tasks].sort();
  return {
    revision,
    version: firstOf(replies[0])?.version ?? 0,
    definition,
    releases: released.number,
    isOpen: released.upTo === undefined,
    gathered,
    condition: when === null ? undefined : explain(when, { stored, gathered, present }),
    tasks: names.map((task) => ({
      task,
      isDone: done.has(task),
      waitsFor: lacking(definition?.tasks ?? {}, task, (name) => done.has(name)),
    })),
    gates: Object.fromEntries(
      [...gates].filter((entry): entry is [string, GateValue] => entry[1] !== undefined),
    ),
  };
}

interface Seen {
  readonly stored: StoredConditions;
  readonly gathered: number;
  readonly present: ReadonlySet<string>;
}

function explain(condition: QueueCondition, seen: Seen): Explained {
  const { stored, gathered, present } = seen;
  const told = (missing: string | undefined): Explained =>
    missing === undefined ? { condition, holds: true } : { condition, holds: false, missing };
  const names = (tasks: readonly string[]) => tasks.map((task) => `"${task}"`).join(', ');
  switch (condition.type) {
    case 'size': {
      const more = condition.count - gathered;
      return told(more > 0 ? `${more} more ${more === 1 ? 'item' : 'items'}` : undefined);
    }
    case 'present': {
      const absent = condition.tasks.filter((task) => !present.has(task));
      return told(absent.length > 0 ? `items of ${names(absent)}` : undefined);
    }
    case 'done': {
      const open = condition.tasks.filter((task) => !stored.done.has(task));
      return told(open.length > 0 ? `${names(open)} completed` : undefined);
    }
    case 'gate': {
      const value = stored.gates.get(condition.name);
      if (fulfils(value, condition.is)) return told(undefined);
      const is = value === undefined ? 'was never set' : `is ${JSON.stringify(value)}`;
      return told(`gate "${condition.name}" ${is}, not ${JSON.stringify(condition.is)}`);
    }
    default: {
      const of = condition.of.map((part) => explain(part, seen));
      const lacks = of.flatMap(({ missing }) => (missing === undefined ? [] : [missing]));
      const holds = condition.type === 'all' ? lacks.length === 0 : lacks.length < of.length;
      const word = condition.type === 'all' ? ' and ' : ' or ';
      return holds
        ? { condition, holds, of }
        : {
            condition,
            holds,
            of,
            missing: lacks.map((lack) => (of.length > 1 ? `(${lack})` : lack)).join(word),
          };
    }
  }
}
