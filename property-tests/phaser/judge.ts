import { checkPhaser, History } from '../../src/checkers/index.js';
import { prefixRange } from '../../src/store/index.js';
import type { World } from '../support/world.js';
import type { Scene } from './scene.js';
import type { Situation } from './situations.js';
import type { PhaserWorkload } from './workload.js';

/** Holds everything that was seen against the history, and counts what there was. */
export function judge(
  world: World<PhaserWorkload>,
  scene: Scene,
  { drained }: { readonly drained: boolean },
): void {
  const history = new History(world.simulation.history);
  const { prefix, told } = scene;
  const counts = checkPhaser({ history, prefix, told, drained });
  const reached = (situation: Situation, times: number) => scene.reached(situation, drained ? times : 0);
  reached('a phase ended', counts.phases);
  reached(
    'a phase ended without a member that had died or left before it arrived',
    counts.endedWithoutTheGone,
  );
  const members = `${prefix}m/`;
  const ends = [0, ...history.eventsOf(`${prefix}phase`).map(({ kv }) => kv.modRevision)];
  const isArrived = (revision: number) => {
    const since = ends.findLast((end) => end <= revision) ?? 0;
    return ({ modRevision, version }: { modRevision: number; version: number }) =>
      modRevision > since && version > 1;
  };
  for (const { from, to, lease, key } of history.lives(members)) {
    const before = history.rangeAt(prefixRange(members), from - 1);
    if (before.some(isArrived(from - 1))) reached('somebody registered while others had arrived', 1);
    if (!Number.isFinite(to)) continue;
    const kv = history.valueAt(key, to - 1);
    // All keys of a lease go in one revision, that of its session among them.
    const died = (history.entryAt(to)?.events ?? []).some(
      (event) => event.type === 'delete' && !event.kv.key.startsWith(prefix),
    );
    if (died && kv !== undefined && isArrived(to - 1)(kv) && lease !== '0') {
      reached('a member died that had arrived', 1);
    }
  }
  for (const end of ends.slice(1)) {
    if (history.rangeAt(prefixRange(members), end).length === 0) {
      reached('the last one left, and the phase ended', 1);
    }
  }
  const left = scene.seats.processes.some(({ isCore }) => !isCore);
  reached('everybody got on when only a core was healed', left ? 1 : 0);
}
