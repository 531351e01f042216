import { checkAtomicValue, History } from '../../src/checkers/index.js';
import { broken } from '../../src/checkers/sentences.js';
import { Keyspace, prefixRange, textOf } from '../../src/store/index.js';
import { namespace } from '../support/open-client.js';
import type { World } from '../support/world.js';
import type { ReadHistory, Scene } from './scene.js';
import type { Situation } from './situations.js';
import type { ValueWorkload } from './workload.js';

/** Holds everything that was told against the history, and counts what there was. `isOver`: all had time to be told everything. */
export function judge(
  world: World<ValueWorkload>,
  scene: Scene,
  { isOver }: { readonly isOver: boolean },
): void {
  const history = new History(world.simulation.history);
  const { key, calls } = scene;
  const watchers = scene.watching.views.map((told) => ({
    ...{
      process: told.process.name,
      views: told.items,
      isStanding: isOver && scene.watching.isStanding(told),
    },
  }));
  const readers = scene.watching.changes.map((told) => ({
    ...{
      process: told.process.name,
      changes: told.items,
      isStanding: isOver && scene.watching.isStanding(told),
    },
    ...(told.after === undefined ? {} : { after: told.after }),
  }));
  const counts = checkAtomicValue({ history, key, calls, watchers, readers });
  for (const read of scene.histories) checkVersions(history, scene, read);
  if (!isOver) return;
  const reached = (situation: Situation, times: number) => world.reached(situation, times);
  reached('a write was applied whose caller was never told', counts.untold);
  const line = prefixRange(new Keyspace(namespace).typePrefix('stm'));
  reached('a process stood in line to update', history.keysIn(line).length);
  const conflated = watchers.filter(({ views, isStanding }) => isStanding && views.length < counts.writes);
  reached('a watcher was not told every state', conflated.length);
  const left = scene.seats.processes.some(({ isCore }) => !isCore);
  reached('every caller got on when only a core was healed', left ? 1 : 0);
}

/** What was read of the past is what was there, write by write. */
function checkVersions(history: History, { key }: Scene, { process, versions }: ReadHistory): void {
  for (const [index, { revision, text }] of versions.entries()) {
    const at = history.valueAt(key, index === 0 ? revision : (versions[index - 1]?.revision ?? 0) - 1);
    if (at?.modRevision === revision && textOf(at.value) === text) continue;
    broken('VALUE-1', `${process} read ${text} of revision ${revision} in its history, which was not there`);
  }
}
