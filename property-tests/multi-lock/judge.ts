import { History, type Life } from '../../src/checkers/index.js';
import { checkMultiLock } from '../../src/checkers/multi-lock.js';
import { checkBeliefs } from '../support/check-beliefs.js';
import type { World } from '../support/world.js';
import type { Scene } from './scene.js';
import type { Situation } from './situations.js';
import { type MultiLockWorkload, names } from './workload.js';

/** Holds everything that was seen against the history, and counts what there was. */
export function judge(
  world: World<MultiLockWorkload>,
  scene: Scene,
  { drained }: { readonly drained: boolean },
): void {
  const history = new History(world.simulation.history);
  const { grants, administrator } = scene;
  for (const { belief, process, incarnation } of grants) {
    if (process.status === 'crashed' || process.incarnation !== incarnation) belief.end();
  }
  const ofSets = grants.filter(({ by }) => by === 'set');
  const locks = names.map((name) => ({
    ...{ line: scene.lineOf(name), resource: scene.resourceOf(name) },
    grants: grants.flatMap((grant) => {
      const part = grant.by === 'mutex' ? grant.part(name) : undefined;
      return part === undefined ? [] : [grant.asGrant(part)];
    }),
  }));
  const counts = checkMultiLock({
    ...{ history, locks, drained },
    sets: ofSets.map((grant) => grant.asSet((name) => scene.lineOf(name))),
    takenAway: (place) => administrator.tookAway(place),
  });
  const beliefs = checkBeliefs(world, {
    history,
    grants,
    locks: names.map((name) => ({ name, line: scene.lineOf(name) })),
    strokes: scene.seats.strokes,
    tookAway: (place) => administrator.tookAway(place),
  });
  if (!drained) return;
  const reached = (situation: Situation, times: number) => world.reached(situation, times);
  reached('a set waited for somebody', counts.waited);
  reached('the turns of a set came at different revisions', counts.staggered);
  const mixed = names.filter((name) => {
    return (['set', 'mutex'] as const).every((by) =>
      grants.some((grant) => grant.by === by && grant.part(name)),
    );
  });
  reached('a mutex and a set met in one line', mixed.length);
  reached('beliefs of processes were held against each other', Math.max(0, beliefs - 1));
  reached(
    'a join was applied whose sender had been told that nobody knows',
    scene.traffic.lostJoins(history).before,
  );
  const granted = new Set(grants.flatMap((grant) => grant.parts.map((part) => grant.lifeIn(history, part))));
  reached('a place was taken that nobody wanted any more', countUnwanted(history, scene, granted));
  for (const { lostWith } of ofSets) {
    if (lostWith === 'session-lost') reached('a set was lost with its session', 1);
    if (lostWith === 'hold-lost') reached('a set was lost by the deletion of one of its places', 1);
  }
  const left = scene.seats.processes.some(({ isCore }) => !isCore);
  reached('every contender got on when only a core was healed', left ? 1 : 0);
}

/** Sets that were given up before they were granted: their places went together. */
function countUnwanted(history: History, { places }: Scene, granted: ReadonlySet<Life | undefined>): number {
  const ends = new Map<number, number>();
  for (const life of history.lives(places)) {
    if (granted.has(life) || !Number.isFinite(life.to)) continue;
    ends.set(life.to, (ends.get(life.to) ?? 0) + 1);
  }
  return [...ends.values()].filter((together) => together > 1).length;
}
