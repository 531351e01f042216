import { checkDoubleBarrier, History } from '../../src/checkers/index.js';
import type { World } from '../support/world.js';
import type { Scene } from './scene.js';
import type { Situation } from './situations.js';
import type { DoubleWorkload } from './workload.js';

/** Holds everything that was told against the history, and counts what there was. */
export function judge(
  world: World<DoubleWorkload>,
  scene: Scene,
  { drained }: { readonly drained: boolean },
): void {
  const { size, deadMembers } = world.workload;
  const { prefix, entries, exits, breaks, refusals } = scene;
  const history = new History(world.simulation.history);
  const counts = checkDoubleBarrier({
    ...{ history, prefix, size, deadMembers, drained },
    ...{ entries, exits, breaks, refusals },
  });
  if (!drained) return;
  const reached = (situation: Situation, times: number) => world.reached(situation, times);
  reached('a round was let in', counts.letIn);
  reached('a round was over', counts.over);
  reached('a round was broken', counts.broken);
  reached('members waited for the next round', counts.queued);
  reached('a member withdrew', counts.withdrawn);
  reached('a member died', counts.died);
}
