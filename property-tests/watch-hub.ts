/**
 * Watches under every fault: a few processes subscribe to shared watches and open some of their own, while others write.
 * What each reader was told is held against everything that happened, revision by revision.
 */
import { History } from '../src/checkers/index.js';
import { sleep } from '../src/runtime/index.js';
import type { ProcessContext } from '../src/simulator/index.js';
import { type Op, put, remove, type Store } from '../src/store/index.js';
import type { Property } from './support/property.js';
import type { World } from './support/world.js';
import type { Reader } from './watch-hub/reader.js';
import { Watcher } from './watch-hub/watcher.js';
import { keys, type WatchWorkload, watchWorkload } from './watch-hub/workload.js';

const longestSafetyMs = 12_000;
const longestLivenessMs = 60_000;
/** A stream that fell silent is given up after 20 s, and more than one may be tried. */
const settlingMs = 5_000;
const writeTimeoutMs = 1_000;

async function run(world: World<WatchWorkload>): Promise<void> {
  const { simulation, workload } = world;
  const watchers: Watcher[] = [];
  let isStopping = false;
  let failure: { readonly error: unknown } | undefined;
  const throwFailure = () => {
    if (failure !== undefined) throw failure.error;
  };
  for (const [index, script] of workload.scripts.entries()) {
    const process = world.start(`watcher ${index}`, async (context) => {
      const watcher = new Watcher({
        ...{ context, process: simulation.processes[index] ?? process, lingerMs: workload.lingerMs },
        reached: (situation) => world.reached(situation),
        fail: (error) => {
          failure ??= { error };
        },
        revision: () => simulation.engine.revision,
        compactRevision: () => simulation.engine.compactRevision,
        inject: (kind, target, durationMs) =>
          simulation.inject({ atMs: simulation.nowMs, kind, target, durationMs }),
      });
      watchers.push(watcher);
      await watcher.live(script, () => isStopping);
    });
  }
  for (const [index, everyMs] of workload.writers.entries()) {
    world.start(`writer ${index}`, (context) => write(context, everyMs, () => isStopping));
  }
  await world.safetyPhase(() => {
    throwFailure();
    return simulation.nowMs > 3_000;
  }, longestSafetyMs);
  world.heal();
  await world.run(settlingMs);
  isStopping = true;
  await writeLast(world);
  let history = new History(simulation.history);
  const standing = () => watchers.filter(({ isDead, isCore }) => isCore && !isDead).flatMap(standingOf);
  await world.livenessPhase(() => {
    throwFailure();
    // Writes that were late may still arrive.
    if (history.entries.length < simulation.history.length) history = new History(simulation.history);
    const last = standing().find((reader) => reader.position < lastOf(history, reader));
    return last && `${last.name} was not told of the last revision`;
  }, longestLivenessMs);
  throwFailure();
  const complete = new Set(standing());
  for (const reader of watchers.flatMap(({ readers }) => readers)) {
    const counts = reader.check(history, complete.has(reader) ? history.lastRevision : undefined);
    world.reached('a gap in which something was lost', counts.gaps);
    world.reached('a revision delivered', counts.revisions);
    if (reader.kind === 'resuming' && counts.cuts > 0) world.reached('nothing lost in spite of cuts');
  }
}

function standingOf({ readers }: Watcher): readonly Reader[] {
  return readers.filter(({ hasLeft, hasEnded }) => !hasLeft && !hasEnded);
}

/** The last revision of which this reader is to be told. */
function lastOf(history: History, { scope: { range, without = [] } }: Reader): number {
  const events = history.keysIn(range).flatMap((key) => history.eventsOf(key));
  const told = events.filter(({ type }) => !without.includes(type));
  return Math.max(0, ...told.map(({ kv }) => kv.modRevision));
}

async function write({ store, runtime }: ProcessContext, everyMs: number, isOver: () => boolean) {
  const opFor = (key: string): Op => (runtime.random() < 0.3 ? remove(key) : put(key, runtime.newId()));
  while (!isOver()) {
    const chosen = keys.filter(() => runtime.random() < 0.4);
    const written = store.txn(
      { compare: [], success: chosen.map(opFor), failure: [] },
      { timeoutMs: writeTimeoutMs },
    );
    // Whatever becomes of it, the history tells.
    await written.catch(() => {});
    await sleep(runtime, runtime.random() * everyMs);
  }
}

/** Something of everything that is watched happens when all is well again. */
async function writeLast(world: World<WatchWorkload>): Promise<void> {
  const store: Store = world.simulation.connect();
  let written = 0;
  const rounds: readonly ((key: string) => Op)[] = [(key) => put(key, '1'), remove, (key) => put(key, '2')];
  const writeAll = async () => {
    for (const opFor of rounds) {
      const before = written;
      while (written === before) {
        await store.txn({ compare: [], success: keys.map(opFor), failure: [] }).then(
          () => {
            written += 1;
          },
          () => {},
        );
      }
    }
  };
  void writeAll();
  const pending = () => (written < rounds.length ? 'the last write' : undefined);
  await world.livenessPhase(pending, longestLivenessMs);
}

export const watchHubProperty: Property<WatchWorkload> = {
  module: 'watch-hub',
  invariants: ['WATCH-1', 'WATCH-2', 'WATCH-3', 'WATCH-4'],
  workload: watchWorkload,
  faults: {
    kinds: [
      'slow-link',
      'broken-watches',
      'silent-watches',
      'slow-watches',
      'late-link',
      'cut-replies',
      'cut-requests',
      'cut-link',
      'stall',
      'pause',
      'crash',
      'compaction',
      'leader-change',
      'member-lag',
      'member-deaf',
      'member-mute',
      'member-isolated',
      'member-crash',
    ],
    maxWindows: 12,
    withinMs: 6_000,
  },
  sometimes: [
    'a revision delivered',
    'cut',
    'opened again after a cut',
    'opened at a member that was behind',
    'nothing lost in spite of cuts',
    'a gap in which something was lost',
    'compacted under a watch',
    'greeted by a watch that stood open',
    'subscribed before the watch was open',
    'subscribed out of a report',
  ],
  runs: 1_500,
  run,
};
