/**
 * How a condition queue releases what has gathered. No clock, store or timer: the dispatcher's plan tells it what was read and
 * what the watch brings, and asks what is to be looked at and written now.
 *
 * **Keys**: `h/def` the definition; below `q/`: `rel` up to where items are released, `gate/<name>` what a controller has set,
 * `task/<name>` a task that was completed, put by the acknowledgement of its item, `purged` that items went otherwise.
 *
 * **Release** is a bound: `IF term, mod(h/def) = as seen, every create([bound, upTo)) < v+1, every create(x/[bound, upTo)) < v+1, every
 * mod(q/gate/ … q/rel) < v+1 THEN put h := upTo, put q/rel := upTo`. From that revision on everything below `upTo` may be given out, in
 * queue order, and nothing that is not there can come to be there: the gate refuses it. So a batch is one commit however large it
 * is, and nobody sees half of it. The plan reads items up to the bound and none beyond: what gathers is counted, not held.
 *
 * **Why the condition holds at that revision**: it was judged by a state no older than v, and all that could make it false, or the
 * batch another one, is compared: items that came (`i/`), items that were cancelled (`x/<id>` stands until this dispatcher itself deletes
 * it, which is after it was told; and of what it was told it takes back what it saw before), items that were purged, gates, the definition. Facts about tasks only become true. A
 * condition that speaks of no items needs no compare of theirs.
 *
 * **Counting.** How many have gathered is read once, then kept by the watch. Where the n-th of them stands is read, keys only,
 * when there are n: one read for each batch. If batches are all of one size, those that have gathered by then go together, up to
 * 1,000 items: in one revision as they would in several. Items of tasks that the condition wants present are known by their ids.
 *
 * - *Release refused*: something has come between. It is judged again when the watch has brought it; what producers had on its
 *   way below `upTo` is finite, since whatever they send later has larger keys.
 * - *Reply lost*: as for every write of the dispatcher; `q/rel` is the witness. *Dispatcher dies, watch cut, history compacted*: all of
 *   this is read anew, and the condition judged by the facts.
 * - *Definition changed*: the same, under the same term; assignments too compare mod(h/def), since predecessors are part of it.
 */
import { type ItemId, placeOf } from '../keys.js';
import type { ItemTraits } from '../records/index.js';
import type { GateValue, QueueCondition } from './condition.js';
import { batchSizeOf, type Definition, itemsAskedFor } from './definition.js';
import { nothing, reach } from './evaluate.js';
import type {
  ConditionChange,
  GatheredLook,
  GatheredSight,
  LoadedConditions,
  PlannedRelease,
} from './messages.js';
import { PresentTasks } from './present-tasks.js';
import { lacking } from './task-graph.js';

export class Gathering {
  readonly #definition: Definition | undefined;
  readonly #when: QueueCondition | undefined;
  readonly #definedAt: number;
  readonly #loadedAt: number;
  readonly #sizes: readonly number[];
  /** If every batch has as many items. */
  readonly #batch: number | undefined;
  readonly #present: PresentTasks;
  readonly #asksForItems: boolean;
  readonly #gates: Map<string, GateValue | undefined>;
  readonly #done: Set<string>;
  /** Nothing from here on is released; undefined: everything is. */
  #bound: ItemId | undefined;
  /** Where to begin to count: the bound, or what is known to be the first item behind it. */
  #from: ItemId;
  /** Behind every gathered item that is known of. */
  #highest: ItemId;
  /** How many have gathered; undefined: not known. */
  #count: number | undefined;
  /** By a look at that revision, and what the watch has brought since. */
  #countedAt = 0;
  /** Of items that came and went while a look is under way. */
  #deltas: { readonly revision: number; readonly by: 1 | -1 }[] | undefined;
  #sight: GatheredSight | undefined;
  /** Since the last release was planned. Of what that released, and then it was not among what gathers. */
  #someWent = false;
  /** A release was refused, and what refused it is still to come. */
  #awaited = 0;
  #seen = 0;

  constructor(loaded: LoadedConditions, revision: number) {
    const { definition, definedAt, released, gates, done, present, start } = loaded;
    this.#when = definition && (definition.when ?? always);
    const asked = itemsAskedFor(this.#when ?? always);
    this.#definition = definition;
    this.#definedAt = definedAt;
    this.#loadedAt = revision;
    this.#seen = revision;
    this.#sizes = asked.sizes;
    this.#batch = this.#when && batchSizeOf(this.#when);
    this.#present = new PresentTasks(asked.tasks, present);
    this.#asksForItems = asked.sizes.length > 0 || asked.tasks.length > 0;
    this.#gates = new Map(gates);
    this.#done = new Set(done);
    this.#bound = released.upTo;
    this.#from = later(released.upTo ?? start, start);
    // Of everything that is there by now the producers have read an older revision.
    this.#highest = later(this.#from, placeOf(revision));
  }

  /** What is there from here on is not to be given out; undefined: there is no bound. */
  get bound(): ItemId | undefined {
    return this.#bound;
  }

  /** The revision of the definition that assignments are planned under. */
  get definedAt(): number {
    return this.#definedAt;
  }

  /** Something is about to be read or released. */
  get isWaiting(): boolean {
    if (this.#bound !== undefined && this.#isUncounted) return true;
    const place = this.#bound === undefined ? undefined : this.#reach();
    if (place !== nothing || this.#isLatching) return place !== undefined;
    return this.#count !== 0;
  }

  /** The definition has changed: all is to be read anew. */
  isOutdatedBy(change: ConditionChange, revision: number): boolean {
    return change.type === 'defined' && revision > this.#loadedAt;
  }

  changed(change: ConditionChange, revision: number): void {
    if (revision <= this.#loadedAt) return;
    if (change.type === 'gate') this.#gates.set(change.name, change.value);
    else if (change.type === 'task-done') this.#done.add(change.task);
  }

  itemCreated(id: ItemId, traits: ItemTraits | undefined, revision: number): void {
    if (!this.#isGathered(id) || revision <= this.#loadedAt) return;
    this.#highest = later(this.#highest, behind(id));
    this.#present.add(id, traits?.task);
    this.#counted(revision, 1);
  }

  itemGone(id: ItemId, revision: number): void {
    if (!this.#isGathered(id) || revision <= this.#loadedAt) return;
    this.#present.remove(id);
    this.#counted(revision, -1);
    this.#someWent = true;
    // Once this dispatcher knows of it, nothing in the store need tell of it any more.
    if (this.#sight !== undefined && this.#sight.revision < revision) this.#sight = undefined;
  }

  /** Everything up to this revision was told. */
  heard(revision: number): void {
    this.#seen = Math.max(this.#seen, revision);
  }

  /** Whether a task waits for its predecessors. */
  holdsBack(task: string): boolean {
    const tasks = this.#definition?.tasks;
    return tasks !== undefined && lacking(tasks, task, (name) => this.#done.has(name)).length > 0;
  }

  /** What to look at now; undefined while one is under way or none is wanted. */
  nextLook(): GatheredLook | undefined {
    if (this.#bound === undefined || this.#deltas !== undefined || this.#when === undefined) return undefined;
    const isBlind = this.#isBlind && !this.#awaits;
    if (this.#count !== undefined && !isBlind) return undefined;
    this.#deltas = [];
    const sizes = this.#sizes.filter((size) => this.#isReached(size));
    return { from: this.#from, sizes: isBlind ? [...new Set([...sizes, ...this.#severalBatches()])] : [] };
  }

  /** Undefined: history was compacted under it. */
  looked(sight: GatheredSight | undefined): void {
    const deltas = this.#deltas ?? [];
    this.#deltas = undefined;
    // What was released meanwhile is in it, and counted.
    if (sight === undefined || sight.from !== this.#from) return;
    const since = deltas.filter(({ revision }) => revision > sight.revision);
    this.#count = since.reduce((sum, { by }) => sum + by, sight.count);
    this.#countedAt = sight.revision;
    const isStale = since.some(({ by }) => by < 0);
    this.#sight = sight.places.size > 0 && !isStale ? sight : undefined;
  }

  /** The release to write now, for the state that the watch has brought. */
  nextRelease(): PlannedRelease | undefined {
    const from = this.#bound;
    const place = this.#reach();
    this.#someWent = false;
    if (from === undefined || place === undefined || this.#awaits) return undefined;
    const sight = this.#sight;
    const known = { from, definedAt: this.#definedAt };
    if (this.#isLatching) {
      const isExact = this.#asksForItems;
      return { ...known, upTo: undefined, revision: this.#seen, isExact, count: undefined };
    }
    if (place === nothing) {
      if ((this.#count ?? 0) === 0 || this.#highest <= from) return undefined;
      return { ...known, upTo: this.#highest, revision: this.#seen, isExact: false, count: undefined };
    }
    if (this.#isUncounted || this.#isBlind) return undefined;
    const revision = Math.min(this.#seen, sight?.revision ?? this.#seen);
    const places = [...(sight?.places ?? [])];
    const [count, upTo = place] =
      (this.#batch === undefined ? undefined : places.at(-1)) ?? places.find(([, at]) => at === place) ?? [];
    return { ...known, upTo, revision, isExact: true, count };
  }

  released({ upTo, revision, count }: PlannedRelease, isDone: boolean): void {
    this.#sight = undefined;
    if (!isDone) {
      this.#awaited = revision + 1;
      return;
    }
    this.#bound = upTo;
    if (upTo === undefined) return;
    this.#from = upTo;
    const before = this.#someWent ? undefined : this.#count;
    this.#count = before === undefined || count === undefined ? undefined : before - count;
    this.#present.removeBelow(upTo);
  }

  get #isLatching(): boolean {
    return this.#definition?.release === 'latched' || this.#definition?.when === null;
  }

  /** What refused the last release is later than it, and not told yet. */
  get #awaits(): boolean {
    return this.#seen < this.#awaited;
  }

  #isGathered(id: ItemId): boolean {
    return this.#bound !== undefined && id >= this.#bound;
  }

  #counted(revision: number, by: 1 | -1): void {
    if (this.#count !== undefined && revision > this.#countedAt) this.#count += by;
    this.#deltas?.push({ revision, by });
  }

  /** As many batches as there are may go at once, if they are of one size. */
  #severalBatches(): readonly number[] {
    const batch = this.#batch;
    if (batch === undefined) return [];
    const batches = Math.floor(Math.min(this.#count ?? 0, itemsAtOnce) / batch);
    return batches > 1 ? [batches * batch] : [];
  }

  #isReached(size: number): boolean {
    return size <= (this.#count ?? 0);
  }

  /** Whether a size is reached is not known yet: what else holds may reach farther than that. */
  get #isUncounted(): boolean {
    return this.#sizes.length > 0 && this.#count === undefined;
  }

  /** It holds, and how far it reaches depends on places that were not looked at. */
  get #isBlind(): boolean {
    if (
      this.#isLatching ||
      !this.#sizes.some((size) => this.#isReached(size) && !this.#sight?.places.has(size))
    ) {
      return false;
    }
    const place = this.#reach();
    return place !== undefined && place !== nothing;
  }

  #reach(): ItemId | undefined {
    if (this.#when === undefined) return undefined;
    return reach(this.#when, {
      behindCount: (size) => {
        if (!this.#isReached(size)) return undefined;
        return this.#isLatching ? nothing : (this.#sight?.places.get(size) ?? somewhere);
      },
      behindTask: (task) => {
        const first = this.#present.first(task);
        return first && behind(first);
      },
      isDone: (task) => this.#done.has(task),
      gateValue: (name) => this.#gates.get(name),
    });
  }
}

/** Of batches that are released in one revision. */
const itemsAtOnce = 1_000;
const always: QueueCondition = { type: 'all', of: [] };
/** Farther than every place: it was not looked at. */
const somewhere: ItemId = '~';

/** The place right behind an item: ids are of one length. */
export function behind(id: ItemId): ItemId {
  return `${id}/`;
}

function later(one: ItemId, other: ItemId): ItemId {
  return one > other ? one : other;
}
