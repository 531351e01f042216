/** Everything that is seen of the replicas of the processes, by those who look, listen and follow. */
import type { ReplicaSight, SeenMapBatch, SeenMapEntry } from '../../src/checkers/index.js';
import type { MapBatch, MapEntry, ReplicatedMap } from '../../src/config/index.js';
import { sleep } from '../../src/runtime/index.js';
import type { SimulatedProcess, Simulation } from '../../src/simulator/index.js';
import type { Key } from '../../src/store/index.js';
import type { Seat } from '../support/seats.js';
import type { Situation } from './situations.js';
import type { ProcessPlan } from './workload.js';

export type TestMap = ReplicatedMap<string, string>;

/** What was seen of one replica, of one life of a process. */
export interface Observed {
  readonly process: SimulatedProcess;
  readonly incarnation: number;
  readonly map: TestMap;
  readonly sights: ReplicaSight[];
  readonly followers: SeenMapBatch[][];
  /** The most entries that it ever had. */
  mostHeld: number;
  /** And of how many bytes those were at least that could be read. */
  mostBytes: number;
}

export interface ObservingOptions {
  readonly simulation: Simulation;
  readonly entries: Key;
  /** Nobody takes time to read any more. */
  readonly isHurried: () => boolean;
  readonly reached: (situation: Situation) => void;
}

export class Observing {
  readonly all: Observed[] = [];
  readonly #options: ObservingOptions;

  constructor(options: ObservingOptions) {
    this.#options = options;
  }

  /** To be called as soon as the map is open. */
  start({ process, incarnation, client }: Seat, map: TestMap, plan: ProcessPlan): void {
    const observed: Observed = {
      process,
      incarnation,
      map,
      sights: [],
      followers: [],
      mostHeld: 0,
      mostBytes: 0,
    };
    this.all.push(observed);
    this.#look(observed);
    map.onChange((batch) => {
      observed.sights.push({ what: 'batch', ...seenIn(batch) });
      this.#look(observed);
      this.#count(batch);
    });
    let wasTooMuch = false;
    map.onState((state) => {
      if (state.status !== 'behind') {
        if (wasTooMuch) this.#options.reached('a replica went on once it was less');
        wasTooMuch = false;
        return;
      }
      const { code, message } = state.error;
      if (code === 'over-limit') {
        wasTooMuch = true;
        this.#options.reached('a replica did not take in what was too much');
      } else if (message.includes('has brought nothing')) {
        this.#options.reached('a watch that brought nothing was opened anew');
      } else if (code === 'unavailable') this.#options.reached('the watch of a replica was cut');
    });
    void this.#keepLooking(observed, client, plan);
    if (plan.follows) void this.#follow(observed, client, plan);
  }

  /** Syncs are seen too. */
  synced(map: TestMap, calledAtMs: number, revision: number): void {
    const observed = this.all.find((one) => one.map === map);
    observed?.sights.push({ what: 'sync', calledAtMs, revision });
    this.#options.reached('sync was answered');
  }

  /** A replica that does not stand at the last change, or has not told it, though nothing hinders it. */
  behind(): string | undefined {
    const last = this.#lastChange();
    const replica = this.all.find((one) => this.isStanding(one) && one.map.revision < last);
    if (replica !== undefined) return `the replica of ${replica.process.name} does not show revision ${last}`;
    const untold = this.all.find((one) => this.isStanding(one) && this.#hasSlowFollower(one));
    return untold && `a follower of the replica of ${untold.process.name} was not told the last`;
  }

  isStanding({ process, incarnation }: Observed): boolean {
    return process.isCore && process.status !== 'crashed' && process.incarnation === incarnation;
  }

  #hasSlowFollower({ sights, followers }: Observed): boolean {
    const told = sights.findLast(({ what }) => what === 'batch')?.revision ?? 0;
    return followers.some((batches) => (batches.at(-1)?.revision ?? 0) < told);
  }

  #lastChange(): number {
    const { simulation, entries } = this.#options;
    const isOurs = ({ kv }: { kv: { key: Key } }) => kv.key.startsWith(entries);
    return simulation.history.findLast(({ events }) => events.some(isOurs))?.revision ?? 0;
  }

  #look(observed: Observed): void {
    const { map, sights } = observed;
    const entries = [...map.keys()].flatMap((name) => seenEntry(name, map.entry(name)) ?? []);
    const { revision, stalenessMs } = map;
    const atMs = this.#options.simulation.nowMs;
    sights.push({ what: 'look', revision, entries, stalenessMs, atMs });
    observed.mostHeld = Math.max(observed.mostHeld, new Set([...map.keys(), ...map.unreadable.keys()]).size);
    const bytes = entries.reduce((sum, { name, text }) => sum + name.length + text.length, 0);
    observed.mostBytes = Math.max(observed.mostBytes, bytes);
    if (map.state.status === 'behind')
      this.#options.reached('a replica was looked at while its watch was cut');
  }

  async #keepLooking(observed: Observed, { runtime }: Seat['client'], { lookEveryMs }: ProcessPlan) {
    for (;;) {
      await sleep(runtime, this.#options.isHurried() ? 20 * lookEveryMs : lookEveryMs, { background: true });
      this.#look(observed);
    }
  }

  async #follow(
    { map, followers, sights }: Observed,
    client: Seat['client'],
    plan: ProcessPlan,
  ): Promise<void> {
    const batches: SeenMapBatch[] = [];
    followers.push(batches);
    for await (const batch of map.changes({ maxBuffered: plan.maxBuffered })) {
      const before = batches.at(-1)?.revision;
      batches.push(seenIn(batch));
      const passed = sights.filter(
        ({ what, revision }) => what === 'batch' && revision > (before ?? revision),
      );
      if (batch.type === 'reset' && passed.filter(({ revision }) => revision <= batch.revision).length > 1) {
        this.#options.reached('a follower was told several revisions as one');
      }
      if (plan.readMs > 0 && !this.#options.isHurried()) await sleep(client.runtime, plan.readMs);
    }
  }

  #count({ type, changes }: MapBatch<string, string>): void {
    if (type === 'reset' && changes.length > 0) {
      this.#options.reached('a replica was told the difference after a compaction');
    }
    if (changes.some(({ current, unreadable }) => unreadable !== undefined && current !== undefined)) {
      this.#options.reached('the last value that could be read stayed');
    }
  }
}

function seenIn({ type, revision, changes }: MapBatch<string, string>): SeenMapBatch {
  const seen = changes.map(({ key, previous, current, unreadable }) => ({
    ...{ name: key, previous: seenEntry(key, previous) ?? null, current: seenEntry(key, current) ?? null },
    ...(unreadable === undefined ? {} : { unreadable: unreadable.revision }),
  }));
  return { type, revision, changes: seen };
}

function seenEntry(name: string, entry: MapEntry<string> | undefined): SeenMapEntry | undefined {
  return entry && { name, revision: entry.revision, text: entry.value };
}
