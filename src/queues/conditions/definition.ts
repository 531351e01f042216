/** What a condition queue waits for, as one document: the same definition has the same bytes, however it was written down. */
import { invalidArgument, isQuorateError, shown } from '../../errors.js';
import { bytesOf, checkName, textOf } from '../../store/index.js';
import { malformed, parsed } from '../records/parsing.js';
import type { GatePredicate, GateValue, QueueCondition } from './condition.js';
import { checkedGraph, type TaskGraph, tasksOf } from './task-graph.js';

/** Every group of items that enters reads the document. */
const longestDefinitionBytes = 65_536;
const deepestCondition = 16;
/** `{"type":"all","of":[]}`, more or less. */
const leastBytesOfCondition = 20;
const largestSize = 1_000_000;
const longestGateValueBytes = 4_096;

export interface Definition {
  /** Null: nothing has to be released, only predecessors are waited for. */
  readonly when: QueueCondition | null;
  /** A batch each time the condition holds; or once, and everything after passes. */
  readonly release: 'batches' | 'latched';
  readonly tasks: TaskGraph;
}

/** Names that the definition knows. */
export interface KnownNames {
  readonly tasks: ReadonlySet<string>;
  readonly gates: ReadonlySet<string>;
}

/** Throws `invalid-argument`. */
export function checkedDefinition(given: unknown): Definition {
  if (typeof given !== 'object' || given === null) {
    throw invalidArgument(`a definition is of type ${typeof given}`, '{ when, release, tasks }');
  }
  const { when = null, release = 'batches', tasks = {} } = given as Readonly<Record<string, unknown>>;
  if (release !== 'batches' && release !== 'latched') {
    throw invalidArgument(`release is ${shown(release)}`, "'batches', 'latched', or none");
  }
  const definition: Definition = {
    when: when === null ? null : new Walk().condition(when, 1),
    release,
    tasks: checkedGraph(tasks),
  };
  const { length } = encodeDefinition(definition);
  if (length > longestDefinitionBytes) {
    throw invalidArgument(
      `the definition takes ${length} bytes`,
      `at most ${longestDefinitionBytes} bytes as JSON`,
    );
  }
  return definition;
}

export function encodeDefinition({ when, release, tasks }: Definition): Uint8Array {
  return bytesOf(JSON.stringify({ when, release, tasks }));
}

/** Throws `codec`. */
export function decodeDefinition(bytes: Uint8Array): Definition {
  const value = parsed('definition of a condition queue', () => JSON.parse(textOf(bytes)) as object);
  try {
    return checkedDefinition(value);
  } catch (error) {
    if (!isQuorateError(error)) throw error;
    throw malformed('definition of a condition queue', error);
  }
}

export function knownNames({ when, tasks }: Definition): KnownNames {
  const known = { tasks: new Set(tasksOf(tasks)), gates: new Set<string>() };
  const visit = (condition: QueueCondition): void => {
    if (condition.type === 'gate') known.gates.add(condition.name);
    else if ('tasks' in condition) {
      for (const task of condition.tasks) known.tasks.add(task);
    } else if (condition.type !== 'size') condition.of.forEach(visit);
  };
  if (when !== null) visit(when);
  return known;
}

/** The sizes and the present tasks that a condition asks about. */
export function itemsAskedFor(condition: QueueCondition): {
  readonly sizes: readonly number[];
  readonly tasks: readonly string[];
} {
  if (condition.type === 'size') return { sizes: [condition.count], tasks: [] };
  if (condition.type === 'present') return { sizes: [], tasks: condition.tasks };
  if (condition.type !== 'all' && condition.type !== 'any') return { sizes: [], tasks: [] };
  const parts = condition.of.map(itemsAskedFor);
  return {
    sizes: [...new Set(parts.flatMap(({ sizes }) => sizes))].sort((a, b) => a - b),
    tasks: [...new Set(parts.flatMap(({ tasks }) => tasks))],
  };
}

/** How many items every batch has; undefined if that depends on which items there are, or on what else is true. */
export function batchSizeOf(condition: QueueCondition): number | undefined {
  if (condition.type === 'size') return condition.count;
  if (condition.type !== 'all') return undefined;
  const { sizes } = itemsAskedFor(condition);
  const isOfItems = (part: QueueCondition): boolean => part.type === 'present' || part.type === 'any';
  const isSimple = (part: QueueCondition): boolean =>
    part.type === 'all' ? part.of.every(isSimple) : !isOfItems(part);
  return isSimple(condition) ? sizes.at(-1) : undefined;
}

export function checkGateValue(value: unknown): asserts value is GateValue {
  const isFine =
    value === null ||
    typeof value === 'boolean' ||
    Number.isFinite(value) ||
    (typeof value === 'string' && Buffer.byteLength(value) <= longestGateValueBytes);
  if (isFine) return;
  throw invalidArgument(
    `the value of a gate is ${typeof value === 'string' ? 'too long' : shown(value)}`,
    `a finite number, a boolean, null, or a string of at most ${longestGateValueBytes} bytes`,
  );
}

/** Checks a condition as it is walked, for no longer than what is left could still fit: parts of it may be one object, many times. */
class Walk {
  #bytesLeft = longestDefinitionBytes;

  condition(value: unknown, depth: number): QueueCondition {
    const accepted = 'size(n), present(…), done(…), gate(name, predicate), all(…) or any(…)';
    if (depth > deepestCondition) {
      throw invalidArgument('a condition is nested too deep', `at most ${deepestCondition} levels`);
    }
    if (typeof value !== 'object' || value === null) {
      throw invalidArgument(`a condition is of type ${typeof value}`, accepted);
    }
    this.#spend(leastBytesOfCondition);
    const { type, count, tasks, name, is, of } = value as Record<string, unknown>;
    switch (type) {
      case 'size':
        if (typeof count !== 'number' || !Number.isInteger(count) || count < 1 || count > largestSize) {
          throw invalidArgument(`size(${shown(count)})`, `a whole number from 1 to ${largestSize}`);
        }
        return { type, count };
      case 'present':
      case 'done':
        if (!Array.isArray(tasks) || tasks.length === 0) {
          throw invalidArgument(`${type}() without tasks`, 'names of tasks, at least one');
        }
        return { type, tasks: this.#names(tasks) };
      case 'gate':
        checkName(name, 'gate');
        return { type, name, is: this.#predicate(is) };
      case 'all':
      case 'any':
        if (!Array.isArray(of) || of.length === 0) {
          throw invalidArgument(`${type}() without conditions`, 'conditions, at least one');
        }
        return { type, of: Array.from(of, (part) => this.condition(part, depth + 1)) };
      default:
        throw invalidArgument(`a condition of type ${shown(type)}`, accepted);
    }
  }

  #names(given: readonly unknown[]): readonly string[] {
    const names = new Set<string>();
    for (const name of given) {
      checkName(name, 'task');
      // Named again it takes no room.
      if (!names.has(name)) this.#spend(name.length);
      names.add(name);
    }
    return [...names].sort();
  }

  #predicate(value: unknown): GatePredicate {
    const accepted = 'equals(v), differs(v), oneOf(…), atLeast(n) or atMost(n)';
    const entries = typeof value === 'object' && value !== null ? Object.entries(value) : [];
    const [entry] = entries;
    if (entry === undefined || entries.length !== 1) {
      throw invalidArgument('the predicate of a gate is none', accepted);
    }
    const [kind, operand] = entry as [string, unknown];
    if (kind === 'equals' || kind === 'differs') {
      checkGateValue(operand);
      return kind === 'equals' ? { equals: operand } : { differs: operand };
    }
    if (kind === 'oneOf' && Array.isArray(operand) && operand.length > 0) {
      for (const one of operand) {
        checkGateValue(one);
        this.#spend(typeof one === 'string' ? one.length : 1);
      }
      return { oneOf: [...(operand as readonly GateValue[])] };
    }
    if (
      (kind === 'atLeast' || kind === 'atMost') &&
      typeof operand === 'number' &&
      Number.isFinite(operand)
    ) {
      return kind === 'atLeast' ? { atLeast: operand } : { atMost: operand };
    }
    throw invalidArgument(`the predicate of a gate is ${kind}(${shown(operand)})`, accepted);
  }

  #spend(bytes: number): void {
    this.#bytesLeft -= bytes;
    if (this.#bytesLeft >= 0) return;
    throw invalidArgument(
      `the condition takes more than ${longestDefinitionBytes} bytes`,
      `at most ${longestDefinitionBytes} bytes as JSON`,
    );
  }
}
