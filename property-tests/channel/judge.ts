import { logOf } from '../../src/checkers/channel-log.js';
import { checkChannel, History } from '../../src/checkers/index.js';
import type { World } from '../support/world.js';
import { isSpoiled, type Scene } from './scene.js';
import type { Situation } from './situations.js';
import type { ChannelWorkload } from './workload.js';

/** Holds everything that was told against the history, and counts what there was. `isOver`: all had time to be told everything. */
export function judge(
  world: World<ChannelWorkload>,
  scene: Scene,
  { isOver }: { readonly isOver: boolean },
): void {
  const history = new History(world.simulation.history);
  const { keys, calls, subscribers } = scene;
  const counts = checkChannel({
    ...{ history, keys, calls, compactedTo: world.simulation.engine.compactRevision },
    unreadable: new Set(calls.flatMap(({ texts }) => texts.filter(isSpoiled))),
    subscribers: subscribers.told.map((told) => {
      const { process, to, after, joinedAtMs, items, plan } = told;
      const { revision, index, channel } = after;
      return {
        ...{ process: process.name, to, items, mayDrop: plan.whenFull === 'drop-oldest' },
        isLive: joinedAtMs !== undefined && plan.whenFull !== 'wait',
        after: {
          revision,
          ...(index === undefined ? {} : { index }),
          ...(channel === undefined ? {} : { channel }),
        },
        ...(joinedAtMs === undefined ? {} : { joinedAtMs }),
        isStanding: isOver && subscribers.isStanding(told),
      };
    }),
  });
  if (!isOver) return;
  const reached = (situation: Situation, times: number) => world.reached(situation, times);
  reached('messages of several calls shared a frame', counts.shared);
  reached('a message was published whose caller was never told', counts.untold);
  const several = new Map<number, Set<string>>();
  for (const { revision, channel } of logOf(history, keys)) {
    several.set(revision, (several.get(revision) ?? new Set()).add(channel));
  }
  const isTold = (revision: number) =>
    subscribers.told.some(
      ({ to, items }) =>
        'prefix' in to && items.some((item) => item.type === 'message' && item.revision === revision),
    );
  const shared = [...several].filter(([revision, names]) => names.size > 1 && isTold(revision));
  reached('a pattern was told of several channels in one revision', shared.length);
  const left = scene.seats.processes.some(({ isCore }) => !isCore);
  reached('every caller got on when only a core was healed', left ? 1 : 0);
}
