import { checkWaitOptions, type WaitOptions } from '../runtime/index.js';
import type { Client } from '../session/index.js';
import { put } from '../store/index.js';
import type { GateValue, QueueCondition } from './conditions/condition.js';
import { encodeGateValue, gateKey } from './conditions/condition-keys.js';
import { type Changing, define, putFact } from './conditions/define.js';
import {
  checkedDefinition,
  checkGateValue,
  decodeDefinition,
  encodeDefinition,
} from './conditions/definition.js';
import { checkGateName, checkTaskName } from './conditions/known-names.js';
import { type ConditionStatus, readStatus } from './conditions/status.js';
import { completed } from './conditions/task-facts.js';
import type { TaskGraph } from './conditions/task-graph.js';
import { QueueKeys } from './keys.js';
import { Queue, type QueueOptions } from './queue.js';

/** What a condition queue waits for. */
export interface ConditionDefinition {
  /** What must hold for items to be released. Default: nothing, they are released as they come. */
  when?: QueueCondition | undefined;
  /** `'batches'` (default): what gathers is released each time the condition holds. `'latched'`: once it has held, everything passes. */
  release?: 'batches' | 'latched' | undefined;
  /** For each task the tasks that must be completed before it is given out. Tasks that have none need not be listed. */
  tasks?: TaskGraph | undefined;
}

export interface ConditionQueueOptions<T> extends QueueOptions<T>, ConditionDefinition {}

/**
 * A queue whose items gather, and are released together, in order, when a condition holds; and, or instead, one whose items name
 * tasks that wait for each other.
 *
 * **Conditions**, from `size(n)`, `present('a', 'b')`, `done('a', 'b')`, `gate('name', atLeast(5))`, `all(…)`, `any(…)`: data, kept
 * in the queue, judged by whichever worker dispatches. A *batch* is the shortest part of what has gathered, from the front, for which
 * the condition holds: of `size(10)` the first 10, of `present` up to the item that made it complete. One that speaks of no
 * items, as `gate` and `done`, lets all go that is there. With `release: 'latched'` everything passes from the first time on, for good.
 *
 * **Tasks**: an item that is enqueued with a `task` is given out when all predecessors of its task were completed: an item of
 * each was acknowledged, at any time, in this queue, or {@link markDone} was called. Items without predecessors go first; others pass those that
 * wait, even if they share an ordering key. Both together: an item is given out once it is released and its predecessors are done.
 *
 * - **Order**: items are released in queue order, which is that of `FifoQueue`, and given out in it but for those whose task waits.
 * - **Guaranteed**: nothing is given out that is not released; a release is one revision, whatever its size, and nothing comes to be among
 *   what it released later; in that revision the condition held. While it holds, what has gathered is released by whoever dispatches.
 *   No item of a task is given out before the revision that completed the last of its predecessors.
 * - **Not guaranteed**: that a batch is done together. It is given out as workers have room, and other batches follow it.
 *   That a condition which holds for a moment is noticed: a gate that is set and set back may release nothing. Items that are
 *   cancelled, purged or redriven count as they stand: a redriven one gathers anew. A task whose item went to the dead letters is not completed,
 *   and what follows it waits until it is redriven or marked as done.
 * - **Facts only become true**: a task once completed is so for good. To run a graph again, use another queue.
 * - **Definition**: set by the first object that enqueues with one; others must have the same, or none, or are told `invalid-argument` by
 *   `enqueue`, as is who names a task that it does not know. {@link define} changes it. At most 64 KiB as JSON; cycles of tasks are refused.
 * - **Session loss** does not touch it: all of it is on no lease. A dispatcher that dies is followed by one that judges by the same facts.
 * - **Cost**: an enqueue as in every queue; the definition is read along. A release is one commit; finding the n-th item and, where
 *   batches have no fixed size, counting what is left are a read each, a pass of etcd over what has gathered. Batches of one size that are
 *   there together go in one commit, up to 1,000 items. What gathers takes no memory (ids of tasks that are wanted `present` do); items of tasks that wait do. A task costs its
 *   acknowledgement a second put, once for each worker. At a takeover all that has gathered is read if the condition asks for `present`.
 *
 * Algorithm: a release is a bound, guarded against late arrivals; `docs/queues.md`, `src/queues/conditions/gathering.ts`.
 */
export class ConditionQueue<T> extends Queue<T> {
  readonly #keys: QueueKeys;

  /**
   * Throws `invalid-argument` for a name or a definition that cannot be. Without `when`, `release` and `tasks` it takes the definition
   * that the queue has. Sends nothing.
   */
  constructor(client: Client, name: string, options: ConditionQueueOptions<T> = {}) {
    super('condition', client, name, options);
    this.#keys = new QueueKeys(client.keys.prefix('queue', name), 'condition', this.definition);
    const { when, release, tasks } = options;
    if (when === undefined && release === undefined && tasks === undefined) return;
    this.definition.current = encodeDefinition(checkedDefinition({ when, release, tasks }));
  }

  /**
   * Makes this the definition, for all and from its revision on, and answers its version; this object has it from then on. What has
   * been released stays released, and a queue that was opened for good stays open: another condition for it is refused
   * (`invalid-argument`). Other objects that have a definition of their own are told when they enqueue next. One read, one commit.
   */
  async define(definition: ConditionDefinition, options: WaitOptions = {}): Promise<number> {
    const changing = this.#changing('defining what a queue waits for', options);
    const checked = checkedDefinition(definition);
    const version = await define(changing, checked);
    this.definition.current = encodeDefinition(checked);
    return version;
  }

  /**
   * Sets a gate, which conditions look at: a finite number, a boolean, null, or a string of at most 4 KiB. It stays so until it is
   * set again. A gate that is set more often than a commit takes may hold releases up. One commit.
   */
  async setGate(name: string, value: GateValue, options: WaitOptions = {}): Promise<void> {
    checkGateName(this.#definition, name);
    checkGateValue(value);
    const key = gateKey(this.#keys, name);
    await putFact(this.#changing('setting a gate', options), put(key, encodeGateValue(value)));
  }

  /** Says that a task was completed, elsewhere or by hand; it cannot be taken back. One commit. */
  async markDone(task: string, options: WaitOptions = {}): Promise<void> {
    checkTaskName(this.#definition, task);
    await putFact(this.#changing('marking a task as done', options), completed(this.#keys, task, ''));
  }

  /**
   * What the queue waits for, what has gathered and what is still missing, at one revision. Three requests; and if the condition asks for
   * `present`, about one for each 1,000 items or 1.5 MB that have gathered.
   */
  async status(options: WaitOptions = {}): Promise<ConditionStatus> {
    const doing = `asking what queue "${this.name}" waits for`;
    checkWaitOptions(options, doing);
    return readStatus({ client: this.client, keys: this.#keys, doing }, options);
  }

  get #definition() {
    const { current } = this.definition;
    return current && decodeDefinition(current);
  }

  #changing(doing: string, options: WaitOptions): Changing {
    checkWaitOptions(options, doing);
    return { client: this.client, keys: this.#keys, doing, options };
  }
}
