/** Those who watch the value, and those who read its changes, and what they were told. */
import type { AtomicValue, Versioned } from '../../src/atomics/index.js';
import type { ToldChange, ToldView } from '../../src/checkers/index.js';
import { sleep } from '../../src/runtime/index.js';
import type { SimulatedProcess, Simulation } from '../../src/simulator/index.js';
import type { Key } from '../../src/store/index.js';
import type { Seat } from '../support/seats.js';
import type { Situation } from './situations.js';
import type { ProcessPlan } from './workload.js';

/** What one watcher, or one reader of changes, of one life of a process was told. */
interface Told<Item> {
  readonly process: SimulatedProcess;
  readonly incarnation: number;
  readonly items: Item[];
  hasEnded: boolean;
}

export interface WatchingOptions {
  readonly key: Key;
  readonly simulation: Simulation;
  /** Nobody takes time to read any more. */
  readonly isHurried: () => boolean;
  readonly reached: (situation: Situation) => void;
}

export class Watching {
  readonly views: Told<ToldView>[] = [];
  readonly changes: (Told<ToldChange> & { readonly after: number | undefined })[] = [];
  readonly #options: WatchingOptions;

  constructor(options: WatchingOptions) {
    this.#options = options;
  }

  /** As the process of this seat is to watch. */
  start(seat: Seat, value: AtomicValue<string>, plan: ProcessPlan): void {
    if (plan.watches) void this.#watch(seat, value, plan);
    if (plan.readsChanges) void this.#read(seat, value, plan);
  }

  /** One that has not been told the last of the value, though nothing hinders it. */
  behind(): string | undefined {
    const [now] = this.#options.simulation.engine.range({ key: this.#options.key }).kvs;
    const mod = now?.modRevision;
    const watcher = this.views.find((told) => this.isStanding(told) && !isLastView(told.items.at(-1), mod));
    if (watcher !== undefined) return `a watcher of ${watcher.process.name} was not told the last`;
    const lastRevision = this.#lastChange();
    const reader = this.changes.find(
      (told) => this.isStanding(told) && newestOf(told.items, told.after) < lastRevision,
    );
    return reader && `a reader of ${reader.process.name} was not told the last`;
  }

  isStanding({ process, incarnation, hasEnded }: Told<unknown>): boolean {
    return process.isCore && process.status !== 'crashed' && process.incarnation === incarnation && !hasEnded;
  }

  #lastChange(): number {
    const { history } = this.#options.simulation;
    const last = history.findLast(({ events }) => events.some(({ kv }) => kv.key === this.#options.key));
    return last?.revision ?? 0;
  }

  async #watch({ process, incarnation, client }: Seat, value: AtomicValue<string>, plan: ProcessPlan) {
    const told: Told<ToldView> = { process, incarnation, items: [], hasEnded: false };
    this.views.push(told);
    for await (const view of value.watch()) {
      if (view.status === 'unknown') this.#options.reached('a watcher was told that nobody knows');
      if (view.status === 'unreadable') throw view.error;
      told.items.push(view.status === 'present' ? seenIn(view) : view);
      await this.#dawdle(client.runtime, plan);
    }
    told.hasEnded = true;
  }

  async #read({ process, incarnation, client }: Seat, value: AtomicValue<string>, plan: ProcessPlan) {
    const before = this.changes.findLast((told) => told.process === process);
    const upTo = before && newestOf(before.items, before.after);
    const after = upTo === undefined || upTo === 0 ? undefined : upTo;
    if (after !== undefined) this.#options.reached('a reader went on where it had been before a crash');
    const told = { process, incarnation, items: [] as ToldChange[], hasEnded: false, after };
    this.changes.push(told);
    for await (const change of value.changes({ after })) {
      if (change.type === 'unreadable') throw change.error;
      if (change.type === 'gap') this.#options.reached('a gap was told');
      if (change.type === 'set') {
        told.items.push({ type: 'set', revision: change.revision, text: change.value });
      } else if (change.type === 'state') {
        const { revision, state } = change;
        told.items.push({ type: 'state', revision, text: state?.value ?? null });
      } else told.items.push(change);
      await this.#dawdle(client.runtime, plan);
    }
    told.hasEnded = true;
  }

  async #dawdle(runtime: Seat['client']['runtime'], { readMs }: ProcessPlan): Promise<void> {
    if (readMs > 0 && !this.#options.isHurried()) await sleep(runtime, readMs);
  }
}

function seenIn({ revision, value }: Versioned<string>): ToldView {
  return { status: 'present', revision, text: value };
}

function isLastView(view: ToldView | undefined, mod: number | undefined): boolean {
  if (view === undefined || view.status === 'unknown') return false;
  return view.status === 'present' ? view.revision === mod : mod === undefined;
}

/** The newest revision that a reader has dealt with; 0 for none. */
function newestOf(items: readonly ToldChange[], after: number | undefined): number {
  const last = items.at(-1);
  if (last === undefined) return after ?? 0;
  return last.type === 'gap' ? last.toRevision : last.revision;
}
