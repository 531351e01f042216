import { decodeGate } from '../../src/barriers/gate-record.js';
import { checkBarrier, History, type SeenClosing } from '../../src/checkers/index.js';
import { broken } from '../../src/checkers/sentences.js';
import type { World } from '../support/world.js';
import type { PersistentClosing, Scene } from './scene.js';
import type { Situation } from './situations.js';
import type { BarrierWorkload } from './workload.js';

/** Holds everything that was told against the history, and counts what there was. */
export function judge(world: World<BarrierWorkload>, scene: Scene): void {
  const history = new History(world.simulation.history);
  const { gate, waits, closings, openings, administrator } = scene;
  const counts = checkBarrier({
    ...{ history, gate, waits, openings },
    closings: [...closings, ...scene.persistent.map((call) => closingOf(history, gate, call))],
    takenAway: (life) => administrator.tookAway(life),
  });
  const reached = (situation: Situation, times: number) => world.reached(situation, times);
  reached('a wait came to a closed gate, and returned', counts.waited);
  reached('a wait passed an open gate', counts.waits - counts.waited);
  reached('a gate opened with the lease of its holder', counts.endedByLease);
  reached('a gate was closed again at once', counts.closedAgain);
}

/** The closing that a call was told of: its client's, in its time. */
function closingOf(
  history: History,
  gate: string,
  { process, by, calledAtMs, toldAtMs }: PersistentClosing,
): SeenClosing {
  const own = history.livesOf(gate).find(({ from, fromMs = 0, lease }) => {
    const kv = history.valueAt(gate, from);
    const isItsOwn = kv !== undefined && decodeGate(kv)?.label === by && lease === '0';
    return isItsOwn && fromMs >= calledAtMs && fromMs <= toldAtMs;
  });
  if (own === undefined)
    broken('BARRIER-3', `${process} was told that it closed the gate on purpose, and did not`);
  return { process, revision: own.from, lease: '0' };
}
