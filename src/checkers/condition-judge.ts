/** Whether a condition holds, worked out by looking at all items: for checkers, apart from how a dispatcher does it. */

import type { GateValue, QueueCondition } from '../queues/conditions/condition.js';
import { gateValueIn, namedIn } from '../queues/conditions/condition-keys.js';
import type { QueueKeys } from '../queues/keys.js';
import type { KeyEvent } from '../store/index.js';

/** What has come true, and what gates are set to, as events tell. */
export class Facts {
  readonly done = new Set<string>();
  readonly gates = new Map<string, GateValue | undefined>();
  readonly #keys: QueueKeys;

  constructor(keys: QueueKeys) {
    this.#keys = keys;
  }

  learn({ type, kv }: KeyEvent): void {
    const gate = namedIn(this.#keys, 'gate', kv.key);
    if (gate !== undefined) this.gates.set(gate, type === 'put' ? gateValueIn(kv) : undefined);
    const task = namedIn(this.#keys, 'task', kv.key);
    if (task !== undefined && type === 'put') this.done.add(task);
  }

  /** `tasks`: those of the items that have gathered, in order, undefined for one without. */
  holds(condition: QueueCondition, tasks: readonly (string | undefined)[]): boolean {
    switch (condition.type) {
      case 'size':
        return tasks.length >= condition.count;
      case 'present':
        return condition.tasks.every((task) => tasks.includes(task));
      case 'done':
        return condition.tasks.every((task) => this.done.has(task));
      case 'gate':
        return isAsWanted(this.gates.get(condition.name), condition.is as Readonly<Record<string, unknown>>);
      case 'all':
        return condition.of.every((part) => this.holds(part, tasks));
      case 'any':
        return condition.of.some((part) => this.holds(part, tasks));
    }
  }

  /** How many of the first of these a batch takes; undefined: as many as there are. Only where the condition holds. */
  batchOf(condition: QueueCondition, tasks: readonly (string | undefined)[]): number | undefined {
    if (this.holds(condition, [])) return undefined;
    let count = 1;
    while (!this.holds(condition, tasks.slice(0, count))) count += 1;
    return count;
  }
}

function isAsWanted(value: GateValue | undefined, is: Readonly<Record<string, unknown>>): boolean {
  if (value === undefined) return false;
  const [[kind, operand] = []] = Object.entries(is);
  if (kind === 'equals') return value === operand;
  if (kind === 'differs') return value !== operand;
  if (kind === 'oneOf') return (operand as readonly unknown[]).includes(value);
  if (typeof value !== 'number') return false;
  return kind === 'atLeast' ? value >= (operand as number) : value <= (operand as number);
}
