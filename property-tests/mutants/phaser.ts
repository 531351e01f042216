/** Bugs of phasers. */
import type { Mutant } from './mutant.js';

const board = 'src/barriers/phaser/phaser-board.ts';
const arrival = 'src/barriers/phaser/arrival.ts';
const phase = 'src/barriers/phaser/phase.ts';
const phaser = 'src/barriers/phaser.ts';
const killedBy = 'phaser';

export const phaserMutants: readonly Mutant[] = [
  {
    name: 'phaser-ends-past-a-newcomer',
    file: board,
    find: `        compare.mod(keys.phase, 'equal', now.mod),
        compare.create(keys.members, 'less', revision + 1),`,
    replace: "        compare.mod(keys.phase, 'equal', now.mod),",
    story: 'who registers between the count and the end of the phase is not waited for',
    ...{ killedBy, invariant: 'PHASER-1' },
  },
  {
    name: 'phaser-ends-twice',
    file: board,
    find: "        compare.mod(keys.phase, 'equal', now.mod),\n",
    replace: '',
    story: 'two see that all have arrived, and each writes the next phase',
    ...{ killedBy, invariant: 'PHASER-2, PHASER-1' },
  },
  {
    name: 'phaser-registered-is-arrived',
    file: phase,
    find: 'modRevision > now.mod && modRevision > createRevision',
    replace: 'modRevision > now.mod && createRevision > 0',
    story: 'who has registered in this phase is taken for one who arrived in it',
    ...{ killedBy, invariant: 'PHASER-1' },
  },
  {
    name: 'phaser-arrivals-of-the-phase-before',
    file: phase,
    find: 'modRevision > now.mod && modRevision > createRevision',
    replace: 'modRevision > createRevision',
    story: 'an arrival of the phase before counts once more, where the end of that is not known yet',
    ...{ killedBy, invariant: 'PHASER-1' },
  },
  {
    name: 'phaser-arrival-counts-twice',
    file: arrival,
    find: ".map(({ revision }) => compare.mod(keys.phase, 'greater', revision)),",
    replace: ".map(({ revision }) => compare.mod(keys.phase, 'not-equal', revision)),",
    story: 'a repeated call is a second arrival, as with anonymous arrivals of java.util.concurrent.Phaser',
    ...{ killedBy, invariant: 'PHASER-2' },
  },
  {
    name: 'phaser-left-to-the-last-arrival',
    file: board,
    find: 'if (seen.registered > 0) await this.#advance(seen);',
    replace: '',
    story:
      "only the last to arrive may end the phase, and it died, or the one that was missing did: etcd's double barrier",
    ...{ killedBy, invariant: 'not live' },
  },
  {
    name: 'phaser-wakes-in-the-same-phase',
    file: board,
    find: 'if (phase > one.phase) one.resolve(phase);',
    replace: 'if (phase >= one.phase) one.resolve(phase);',
    story: 'any news of the phase is taken for its end',
    ...{ killedBy, invariant: 'PHASER-3' },
  },
  {
    name: 'phaser-unknown-arrival-is-none',
    file: arrival,
    find: 'if (standing === undefined || standing.modRevision === first.revision) return undefined;',
    replace: 'if (standing === undefined || standing.modRevision >= first.revision) return undefined;',
    story: 'an arrival whose reply was lost for good is not found again, and the member is taken for lost',
    ...{ killedBy, invariant: 'PHASER-4, not live' },
  },
  {
    name: 'phaser-registration-given-up-stays',
    file: phaser,
    find: 'for (const member of members) deregister(this.#board, member, signal, true).catch(() => {});',
    replace: 'void [members, signal, deregister];',
    story: 'who gave up registering is waited for in every phase',
    ...{ killedBy, invariant: 'not live, PHASER-4' },
  },
];
