/** Bugs of cyclic barriers. */
import type { Mutant } from './mutant.js';

const attempt = 'src/barriers/cyclic/attempt.ts';
const barrier = 'src/barriers/cyclic-barrier.ts';
const board = 'src/barriers/cyclic/board.ts';
const elect = 'src/barriers/cyclic/elect.ts';
const generation = 'src/barriers/cyclic/generation.ts';
const seen = 'src/barriers/cyclic/seen.ts';
const killedBy = 'cyclic-barrier';

export const cyclicBarrierMutants: readonly Mutant[] = [
  {
    name: 'cyclic-counts-old-arrivals',
    file: seen,
    find: '.filter(({ modRevision }) => modRevision > now.since)',
    replace: '.filter(({ modRevision }) => modRevision > 0)',
    story:
      'who arrives early is taken to have arrived in the generation before too: a barrier without generations',
    ...{ killedBy, invariant: 'CYCLIC-1' },
  },
  {
    name: 'cyclic-late-ones-pass-too',
    file: generation,
    find: "return { ...next(now), since: upTo, last: 'passed' };",
    replace:
      "const { since: _, ...rest } = next(now);\n  return { ...rest, lost: now.lost + 0 * upTo, last: 'passed' };",
    story:
      "the release is for everybody who waits, as with etcd's recipes: more pass than the generation takes",
    ...{ killedBy, invariant: 'CYCLIC-1' },
  },
  {
    name: 'cyclic-ended-twice',
    file: board,
    find: `          compare.mod(keys.generation, 'equal', now.mod),
          compare.create(keys.elect, 'equal', 0),
          ...more,`,
    replace: `          compare.create(keys.elect, 'equal', 0),
          ...more,`,
    story: 'two see that all have arrived, and each ends a generation',
    ...{ killedBy, invariant: 'CYCLIC-1, CYCLIC-2, CYCLIC-4' },
  },
  {
    name: 'cyclic-broken-under-the-elect',
    file: attempt,
    find: `              compare.create(keys.elect, 'equal', 0),
`,
    replace: '',
    story: 'one who gives up breaks a generation that all have arrived in, while its action goes on',
    ...{ killedBy, invariant: 'CYCLIC-3' },
  },
  {
    name: 'cyclic-two-elects',
    file: elect,
    find: `          compare.create(keys.elect, 'equal', 0),
          compare.mod(member.key`,
    replace: '          compare.mod(member.key',
    story: 'a death lets two see that all are there, and each runs the action',
    ...{ killedBy, invariant: 'CYCLIC-3' },
  },
  {
    name: 'cyclic-goes-on-before-the-action',
    file: elect,
    find: 'await kit.settings.action?.(context);',
    replace: 'void Promise.resolve(kit.settings.action?.(context)).catch(() => {});',
    story: 'the action is begun and not waited for',
    ...{ killedBy, invariant: 'CYCLIC-3' },
  },
  {
    name: 'cyclic-failed-action-passes',
    file: elect,
    find: "to = broken(now, { reason: 'action-failed', by: client.label, message: message.slice(0, 500) });",
    replace:
      "to = message === undefined ? broken(now, { reason: 'action-failed', by: client.label }) : passed(now, upTo);",
    story: 'the exception of the action is told to its own caller only, and the others go on',
    ...{ killedBy, invariant: 'CYCLIC-3' },
  },
  {
    name: 'cyclic-absence-is-a-release',
    file: generation,
    find: "return { status: 'broken', generation: of, broken: { reason: 'forgotten', by: '' } };",
    replace: "return { status: 'passed', generation: of };",
    story: "etcd's recipe Barrier: a key that is not there means that all may go, whoever deleted it",
    ...{ killedBy, invariant: 'CYCLIC-2' },
  },
  {
    name: 'cyclic-given-up-stays',
    file: attempt,
    find: `        await this.#withdraw(wait);
        throw this.#givenUp.reason;`,
    replace: '        throw this.#givenUp.reason;',
    story: 'a wait that timed out is counted as an arrival all the same',
    ...{ killedBy, invariant: 'CYCLIC-5, CYCLIC-4, not live' },
  },
  {
    name: 'cyclic-gives-up-in-silence',
    file: attempt,
    find: "now?.deadMembers === 'break' &&",
    replace: "now?.deadMembers === 'wait' &&",
    story: 'a wait that times out breaks nothing, and the others wait for ever for one that has gone',
    ...{ killedBy, invariant: 'CYCLIC-4' },
  },
  {
    name: 'cyclic-deaths-unseen',
    file: seen,
    find: 'dead: came - left - now.lost - live,',
    replace: 'dead: Math.min(0, came - left - now.lost - live),',
    story: 'who dies is not missed: the others wait for ever',
    ...{ killedBy, invariant: 'not live' },
  },
  {
    name: 'cyclic-deaths-of-the-waiting-only',
    file: seen,
    find: 'const isShort = dead > 0 && live < required;',
    replace: 'const isShort = dead > 0 && live < required && arrived.length === live;',
    story: 'deaths are looked for among those who wait, and members spend their time between their arrivals',
    ...{ killedBy, invariant: 'not live' },
  },
  {
    name: 'cyclic-deaths-counted-again',
    file: generation,
    find: 'return { ...same(now), required, lost: now.lost + dead };',
    replace: 'return { ...same(now), required, lost: dead > 0 ? now.lost : now.lost + dead };',
    story: 'one death makes the barrier smaller again and again',
    ...{ killedBy, invariant: 'CYCLIC-4' },
  },
  {
    name: 'cyclic-broken-though-enough-are-left',
    file: seen,
    find: 'const isShort = dead > 0 && live < required;',
    replace: 'const isShort = dead > 0;',
    story: 'a process that was replaced breaks the barrier for its successor, once its lease ends',
    ...{ killedBy, invariant: 'CYCLIC-4' },
  },
  {
    name: 'cyclic-reset-leaves-the-elect',
    file: barrier,
    find: `            remove(keys.elect),
            put(keys.generation, encodeGeneration(begunAnew(now, dead))),`,
    replace: '            put(keys.generation, encodeGeneration(begunAnew(now, dead))),',
    story: 'an action that was begun before a reset ends the generation after it',
    ...{ killedBy, invariant: 'CYCLIC-1, CYCLIC-2, CYCLIC-3, CYCLIC-4' },
  },
];
