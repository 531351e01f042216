import { SortedIds } from '../dispatch/choice/sorted-ids.js';
import type { ItemId } from '../keys.js';

/** The gathered items of tasks that a condition wants present, and which of each task comes first. */
export class PresentTasks {
  readonly #wanted: ReadonlySet<string>;
  readonly #tasks = new Map<ItemId, string>();
  /** Of each task; ids of items that have gone are dropped when they come to the front. */
  readonly #ids = new Map<string, SortedIds>();

  constructor(wanted: Iterable<string>, present: ReadonlyMap<ItemId, string>) {
    this.#wanted = new Set(wanted);
    for (const [id, task] of present) this.add(id, task);
  }

  add(id: ItemId, task: string | undefined): void {
    if (task === undefined || !this.#wanted.has(task)) return;
    this.#tasks.set(id, task);
    const ids = this.#ids.get(task) ?? new SortedIds();
    this.#ids.set(task, ids);
    ids.insert(id);
  }

  remove(id: ItemId): void {
    this.#tasks.delete(id);
  }

  removeBelow(place: ItemId): void {
    for (const ids of this.#ids.values()) {
      for (let id = ids.first(); id !== undefined && id < place; id = ids.first()) {
        this.#tasks.delete(id);
        ids.dropFirst();
      }
    }
  }

  /** Undefined if there is none. */
  first(task: string): ItemId | undefined {
    const ids = this.#ids.get(task);
    for (let id = ids?.first(); id !== undefined; id = ids?.first()) {
      if (this.#tasks.has(id)) return id;
      ids?.dropFirst();
    }
    return undefined;
  }
}
