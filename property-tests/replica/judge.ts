import { checkReplica, History } from '../../src/checkers/index.js';
import { broken } from '../../src/checkers/sentences.js';
import { clocksMayHideTime } from '../support/open-client.js';
import { activeWindows } from '../support/plan.js';
import type { World } from '../support/world.js';
import { isForeign, isReadable } from './foreign.js';
import type { Scene } from './scene.js';
import type { Situation } from './situations.js';
import { fewBytes, maxEntries, type ReplicaWorkload } from './workload.js';

/** Holds everything that was seen against the history, and counts what there was. `isOver`: all had time to come to the last. */
export function judge(
  world: World<ReplicaWorkload>,
  scene: Scene,
  { isOver }: { readonly isOver: boolean },
): void {
  const { simulation, plan } = world;
  const history = new History(simulation.history);
  const faults = [...activeWindows(plan), ...scene.seats.strokes];
  const isBlind = (index: number) => clocksMayHideTime(faults, index, simulation.processes.length);
  const replicas = scene.observing.all.map((observed) => ({
    ...{ process: observed.process.name, sights: observed.sights, followers: observed.followers },
    clockRateError: isBlind(observed.process.index) ? Number.POSITIVE_INFINITY : plan.knobs.clockRateError,
    isStanding: isOver && scene.observing.isStanding(observed),
  }));
  const maxBytes = world.workload.fewBytes === true ? fewBytes : Number.POSITIVE_INFINITY;
  for (const { process, mostHeld, mostBytes } of scene.observing.all) {
    if (mostBytes > maxBytes) {
      broken('REPLICA-7', `the replica of ${process.name} held ${mostBytes} bytes, and may hold ${maxBytes}`);
    }
    if (mostHeld <= maxEntries) continue;
    broken(
      'REPLICA-7',
      `the replica of ${process.name} held ${mostHeld} entries, and may hold ${maxEntries}`,
    );
  }
  const { entries, calls } = scene;
  const counts = checkReplica({ history, entries, isReadable, isForeign, replicas, calls });
  if (!isOver) return;
  const reached = (situation: Situation, times: number) => world.reached(situation, times);
  reached('a write was applied whose caller was never told', counts.untold);
  const left = scene.seats.processes.some(({ isCore }) => !isCore);
  reached('every caller got on when only a core was healed', left ? 1 : 0);
}
