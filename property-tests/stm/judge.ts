import { History } from '../../src/checkers/index.js';
import { checkStm } from '../../src/checkers/stm.js';
import { prefixRange } from '../../src/store/index.js';
import type { World } from '../support/world.js';
import type { Scene } from './scene.js';
import type { Situation } from './situations.js';
import type { StmWorkload } from './workload.js';

/** Holds everything that was seen against the history, and counts what there was. */
export function judge(
  world: World<StmWorkload>,
  scene: Scene,
  { drained }: { readonly drained: boolean },
): void {
  const history = new History(world.simulation.history);
  const { committed, runs, lines } = scene;
  const unsettled = [...scene.unsettled, ...scene.neverEnded];
  const data = prefixRange('d');
  const counts = checkStm({ history, data, committed, runs, unsettled, lines, drained });
  const reached = (situation: Situation, times: number) => world.reached(situation, drained ? times : 0);
  reached('a process stood in the line of a hot key', counts.places);
  reached('a place in a line went with a commit', counts.leftWithCommit);
  reached('a place in a line went otherwise', counts.places - counts.leftWithCommit);
  reached('a commit of which nobody knew was applied', counts.unsettledApplied);
  const left = scene.processes.some(({ isCore }) => !isCore);
  reached('every transaction got on when only a core was healed', left ? 1 : 0);
}
