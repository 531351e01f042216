import { invalidArgument } from '../../errors.js';
import { checkName, type KeyValue } from '../../store/index.js';
import type { QueueKeys, QueueKind } from '../keys.js';
import { type Definition, decodeDefinition, type KnownNames, knownNames } from './definition.js';
import { definitionIn } from './read-conditions.js';

/** Throws `invalid-argument` for a name that the definition, if it is known, does not have: nobody would wait for it. */
export function checkTaskName(definition: Definition | undefined, task: unknown): void {
  checkName(task, 'task');
  if (definition !== undefined) checkKnown(knownNames(definition).tasks, 'task', task);
}

/** The same for a gate. */
export function checkGateName(definition: Definition | undefined, gate: unknown): void {
  checkName(gate, 'gate');
  if (definition !== undefined) checkKnown(knownNames(definition).gates, 'gate', gate);
}

/** Checks the tasks of items as they are given, if the object has a definition: of that it looks up the names once. */
export class TaskCheck {
  readonly #kind: QueueKind;
  readonly #definition: { current?: Uint8Array | undefined };
  #known: { readonly of: Uint8Array; readonly names: KnownNames } | undefined;

  constructor(kind: QueueKind, definition: { current?: Uint8Array | undefined }) {
    this.#kind = kind;
    this.#definition = definition;
  }

  check({ task }: { task?: unknown }): void {
    if (task === undefined) return;
    if (this.#kind !== 'condition') {
      throw invalidArgument(`a task in a queue of kind "${this.#kind}"`, 'tasks in a ConditionQueue');
    }
    checkName(task, 'task');
    const { current } = this.#definition;
    if (current === undefined) return;
    if (this.#known?.of !== current) {
      this.#known = { of: current, names: knownNames(decodeDefinition(current)) };
    }
    checkKnown(this.#known.names.tasks, 'task', task);
  }
}

/**
 * The same by what is stored as the items enter, since the object may have no definition, or another than when it was called. So no item enters whose task the definition of that
 * time does not know, and completed tasks leave no more keys than definitions have names. A definition that cannot be read refuses nothing.
 */
export class StoredTaskCheck {
  readonly #keys: QueueKeys;
  #known: { readonly of: number; readonly names: KnownNames | undefined } | undefined;

  constructor(keys: QueueKeys) {
    this.#keys = keys;
  }

  /** Throws `invalid-argument`. `stored`: what was read of the gates and what lies beside them. */
  check(stored: readonly KeyValue[], items: readonly { readonly task?: string | undefined }[]): void {
    if (this.#keys.kind !== 'condition') return;
    const kv = stored.find(({ key }) => key === this.#keys.definitionKey);
    if (kv === undefined) return;
    if (this.#known?.of !== kv.modRevision) {
      const definition = definitionIn(kv);
      this.#known = { of: kv.modRevision, names: definition && knownNames(definition) };
    }
    const { names } = this.#known;
    if (names === undefined) return;
    for (const { task } of items) if (task !== undefined) checkKnown(names.tasks, 'task', task);
  }
}

function checkKnown(names: ReadonlySet<string>, what: string, name: string): void {
  if (names.has(name)) return;
  const some = [...names].slice(0, 10).map((known) => `"${known}"`);
  throw invalidArgument(
    `${what} "${name}" is not in the definition of the queue`,
    some.length === 0
      ? `none: it names no ${what}`
      : `one of ${some.join(', ')}${names.size > 10 ? ', …' : ''}`,
  );
}
