import { checkConfig, History } from '../../src/checkers/index.js';
import { prefixRange, textOf } from '../../src/store/index.js';
import { clocksMayHideTime } from '../support/open-client.js';
import { activeWindows } from '../support/plan.js';
import type { World } from '../support/world.js';
import { documentNames, isTagged } from './documents.js';
import { foreignMark, type Scene } from './scene.js';
import type { Situation } from './situations.js';
import type { ConfigWorkload } from './workload.js';

/** Holds everything that was given and told against the history, and counts what there was. */
export function judge(
  world: World<ConfigWorkload>,
  scene: Scene,
  { isOver }: { readonly isOver: boolean },
): void {
  const { simulation, plan } = world;
  const history = new History(simulation.history);
  const { keys, calls } = scene;
  const foreign = new Set(
    history.entries
      .filter(({ events }) =>
        events.some(({ kv }) => kv.key === keys.stamp && textOf(kv.value) === foreignMark),
      )
      .map(({ revision }) => revision),
  );
  const faults = [...activeWindows(plan), ...scene.seats.strokes];
  const readers = scene.reading.readers.map(({ told, process }) => {
    const isHidden = clocksMayHideTime(faults, process.index, simulation.processes.length);
    return isHidden ? { ...told, looks: [] } : told;
  });
  const counts = checkConfig({
    ...{ history, prefix: keys.prefix, documents: documentNames, readers, calls, foreign },
    isValid: (_document, value) => isTagged(value),
    clockRateError: plan.knobs.clockRateError,
  });
  if (!isOver) return;
  const reached = (situation: Situation, times: number) => world.reached(situation, times);
  reached('a change was applied whose caller was never told', counts.untold);
  reached('a rollout was promoted', counts.promotions);
  reached('a rollout was aborted', counts.aborts);
  reached('a change was made that needed a review', counts.reviewed);
  reached('a change was made that needed two approvals', counts.reviewedTwice);
  reached('a rollout to all instances was promoted', counts.promotedToAll);
  const stamps = history.eventsOf(keys.stamp).length;
  const conflated = scene.reading.readers.filter(({ told }) => {
    const [first, last] = [told.given[0]?.revision ?? 0, told.given.at(-1)?.revision ?? 0];
    const between = history
      .eventsOf(keys.stamp)
      .filter(({ kv }) => kv.modRevision > first && kv.modRevision <= last);
    return between.length >= told.given.length;
  });
  reached('revisions were given together', stamps > 0 ? conflated.length : 0);
  const cut = documentNames.filter((document) => {
    const { keep } = { keep: 16 };
    const range = prefixRange(keys.histories(document));
    return history.keysIn(range).length > keep && history.rangeAt(range, history.lastRevision).length <= keep;
  });
  reached('history was cut to what is to be kept', cut.length);
  const left = scene.seats.processes.some(({ isCore }) => !isCore);
  reached('readers had the newest when only a core was healed', left ? 1 : 0);
}
