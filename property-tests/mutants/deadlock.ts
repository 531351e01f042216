/** Bugs of the detection of deadlocks. */
import type { Mutant } from './mutant.js';

const detector = 'src/locks/deadlock/detector.ts';
const waitGraph = 'src/locks/deadlock/wait-graph.ts';
const standInLine = 'src/locks/waiting/stand-in-line.ts';
const killedBy = 'deadlock';

export const deadlockMutants: readonly Mutant[] = [
  {
    name: 'deadlock-any-member-fails',
    file: detector,
    find: 'return findCycles(standing).find(({ victim }) => {',
    replace:
      'return findCycles(standing).find(({ places: members }) => { const victim = members.find((one) => own.some(({ key }) => key === one.key)) ?? { key: "", revision: 0 };',
    story: 'every session of a circle that runs into its own deadlock_timeout gives up, and all work is lost',
    ...{ killedBy, invariant: 'DEADLOCK-1, DEADLOCK-2' },
  },
  {
    name: 'deadlock-unconfirmed',
    file: detector,
    find: 'if (circle !== undefined && isSame(circle, before)) return deadlock(circle);',
    replace: 'if (circle !== undefined) return deadlock(circle);',
    story:
      'phantom deadlocks: a circle of waits that are over already, as in edge-chasing without a second look',
    ...{ killedBy, invariant: 'DEADLOCK-1' },
  },
  {
    name: 'deadlock-victim-by-name',
    file: waitGraph,
    find: 'for (const place of [...places].sort(byAge)) {',
    replace: 'for (const place of places) {',
    story: 'whose name comes last gives way: not the one who closed the circle, and another one in each look',
    ...{ killedBy, invariant: 'DEADLOCK-1, DEADLOCK-2, not live' },
  },
  {
    name: 'deadlock-looks-once',
    file: detector,
    find: 'const circle = await lookFor(client, places, over).catch(() => undefined);',
    replace:
      'const circle = await lookFor(client, places, over).catch(() => undefined);\n    if (circle === undefined) return undefined;',
    story: 'a check that is made once, by a timer, and not made up for where the store was away',
    ...{ killedBy, invariant: 'DEADLOCK-2, not live' },
  },
  {
    name: 'deadlock-place-stays',
    file: standInLine,
    find: 'const left = place && leave(place);',
    replace:
      "const left = (failure as { code?: string })?.code === 'deadlock' ? undefined : place && leave(place);",
    story: 'who was told gives up, and its place stays in the line and keeps everybody behind it waiting',
    ...{ killedBy, invariant: 'not live, LOCK-4, DEADLOCK-2' },
  },
  {
    name: 'deadlock-process-is-the-owner',
    file: 'src/locks/mutex/own-place.ts',
    find: 'const standing: StandInLine = {',
    replace: 'says.owner = client.id;\n  const standing: StandInLine = {',
    story:
      'the process is taken for who waits: its callers, who have nothing to do with each other, make circles',
    ...{ killedBy, invariant: 'DEADLOCK-1, DEADLOCK-2, not live' },
  },
];
