import { type Op, put } from '../../store/index.js';
import type { ItemId, QueueKeys } from '../keys.js';
import type { AssignedJob } from '../records/index.js';
import { taskKey } from './condition-keys.js';

/**
 * That a task was completed is put by the acknowledgement of its item. It is never taken back; so what this worker has put once it
 * leaves out later, and the acknowledgements of a task's items need not follow one another for the sake of one key.
 */
export class TaskFacts {
  readonly #keys: QueueKeys;
  readonly #put = new Set<string>();

  constructor(keys: QueueKeys) {
    this.#keys = keys;
  }

  putWith({ id, traits }: AssignedJob): readonly Op[] {
    const task = traits?.task;
    if (task === undefined || this.#keys.kind !== 'condition' || this.#put.has(task)) return [];
    return [completed(this.#keys, task, id)];
  }

  acknowledged({ traits }: AssignedJob): void {
    if (traits?.task !== undefined) this.#put.add(traits.task);
  }
}

/** The fact that a task was completed. */
export function completed(keys: QueueKeys, task: string, by: ItemId | ''): Op {
  return put(taskKey(keys, task), by);
}
