import { checkTopic, History } from '../../src/checkers/index.js';
import { listedFrames } from '../../src/pubsub/topic/frame-name.js';
import { decodeCursor } from '../../src/pubsub/topic/group/cursor.js';
import { TopicKeys } from '../../src/pubsub/topic/keys.js';
import type { World } from '../support/world.js';
import type { Scene } from './scene.js';
import type { Situation } from './situations.js';
import type { TopicWorkload } from './workload.js';

const groups = ['a', 'b'] as const;

/** Holds everything that was told against the history, and counts what there was. `isOver`: all had time to be told everything. */
export function judge(
  world: World<TopicWorkload>,
  scene: Scene,
  { isOver }: { readonly isOver: boolean },
): void {
  const { partitions, maxMessages } = world.workload;
  const history = new History(world.simulation.history);
  const { prefix, published } = scene;
  const readers = scene.readers.told.map((told) => ({
    ...{ process: told.process.name, items: told.items, after: told.after, isFromStart: told.isFromStart },
    isStanding: isOver && scene.readers.isStanding(told),
  }));
  const counts = checkTopic({
    ...{ history, prefix, partitions, published, readers },
    maxMessages: maxMessages === 0 ? undefined : maxMessages,
    groups: groups.map((name) => ({
      name,
      tenures: scene.members.tenures.filter(({ group }) => group === name).map(({ tenure }) => tenure),
    })),
  });
  if (!isOver) return;
  const reached = (situation: Situation, times: number) => world.reached(situation, times);
  const keys = new TopicKeys(prefix);
  reached('a segment was opened', Math.max(0, history.eventsOf(keys.head).length - 1));
  reached('a message was put whose publisher was never told', counts.untold);
  reached('messages were removed', counts.removed);
  const cursors = groups.flatMap((group) => history.keysIn(keys.group(group).cursors));
  const above = cursors.flatMap((key) =>
    history.eventsOf(key).filter(({ type, kv }) => type === 'put' && decodeCursor(kv).done.length > 0),
  );
  reached('a message was acknowledged above the cursor', above.length);
  const left = scene.seats.processes.some(({ isCore }) => !isCore);
  reached('every group got on when only a core was healed', left ? 1 : 0);
}

/** A group that has not dealt with everything, though a member of it could. */
export function behind(world: World<TopicWorkload>, scene: Scene): string | undefined {
  const { engine } = world.simulation;
  const { partitions } = world.workload;
  const keys = new TopicKeys(scene.prefix);
  for (const group of groups) {
    const hasMember = scene.seats.core.some(({ members }) =>
      members.some(({ plan, consumer }) => plan.group === group && consumer !== undefined),
    );
    if (!hasMember) continue;
    for (let partition = 0; partition < partitions; partition += 1) {
      const [last] = listedFrames(engine.range(keys.partition(partition)).kvs).slice(-1);
      const [kv] = engine.range({ key: keys.group(group).cursor(partition) }).kvs;
      if (last === undefined) continue;
      const after = kv && decodeCursor(kv).after;
      const isThere =
        after !== undefined &&
        (after.revision > last.revision ||
          (after.revision === last.revision && after.index >= last.messages - 1));
      if (!isThere) return `group ${group} has not dealt with all of partition ${partition}`;
    }
  }
  for (const told of scene.readers.told) {
    if (!scene.readers.isStanding(told)) continue;
    for (let partition = 0; partition < partitions; partition += 1) {
      const [last] = listedFrames(engine.range(keys.partition(partition)).kvs).slice(-1);
      const newest = told.items.findLast((item) => item.partition === partition);
      const at =
        newest === undefined
          ? (told.after ?? Infinity)
          : newest.type === 'gap'
            ? newest.toRevision
            : newest.revision;
      if (last !== undefined && at < last.revision) {
        return `a reader of ${told.process.name} was not given all of partition ${partition}`;
      }
    }
  }
  return undefined;
}
