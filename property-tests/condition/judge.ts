import { checkCondition } from '../../src/checkers/condition.js';
import { History, type Life } from '../../src/checkers/index.js';
import { checkBeliefs } from '../support/check-beliefs.js';
import type { World } from '../support/world.js';
import { keys } from './buffer.js';
import { lockName, type Scene } from './scene.js';
import type { Situation } from './situations.js';
import type { ConditionWorkload } from './workload.js';

/** Holds everything that was seen against the history, and counts what there was. */
export function judge(
  world: World<ConditionWorkload>,
  scene: Scene,
  { drained }: { readonly drained: boolean },
): void {
  const history = new History(world.simulation.history);
  const { grants, line, waits, lockKeys, waiterKeys, calls } = scene;
  for (const { belief, process, incarnation } of grants) {
    if (process.status === 'crashed' || process.incarnation !== incarnation) belief.end();
  }
  const tookAway = (life: Life) => lockKeys.tookAway(life) || waiterKeys.tookAway(life);
  const all = grants.flatMap((grant) => grant.parts.map((part) => grant.asGrant(part)));
  const reached = (situation: Situation, times: number) => world.reached(situation, drained ? times : 0);
  for (const condition of ['not-full', 'not-empty'] as const) {
    const waiters = scene.waitersOf(condition);
    const counts = checkCondition({
      ...{ history, line, waiters, grants: all, waits, calls, drained },
      ...{ takenAway: tookAway, resource: keys.resource },
    });
    reached('a notification was passed on by one who gave up', counts.passedOn);
    reached('a notification was given up, and nobody waited', counts.leftOver);
    reached('a notification died with its waiter', counts.died);
    reached('one who was notified was handed the lock', counts.handed);
  }
  const locks = [{ name: lockName, line }];
  const beliefs = checkBeliefs(world, { history, grants, locks, strokes: scene.strokes, tookAway });
  reached('a wait came back', waits.length);
  reached(
    'a wait began whose sender had been told that nobody knows',
    scene.traffic.lostJoins(history).before,
  );
  reached('beliefs of processes were held against each other', Math.max(0, beliefs - 1));
  const left = scene.processes.some(({ isCore }) => !isCore);
  reached('every contender got on when only a core was healed', left ? 1 : 0);
}
