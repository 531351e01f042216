/** Bugs of double barriers. */
import type { Mutant } from './mutant.js';

const seen = 'src/barriers/double/seen.ts';
const round = 'src/barriers/double/round.ts';
const rounds = 'src/barriers/double/rounds.ts';
const coming = 'src/barriers/double/coming.ts';
const killedBy = 'double-barrier';

export const doubleBarrierMutants: readonly Mutant[] = [
  {
    name: 'double-everybody-is-let-in',
    file: seen,
    find: 'return members[needed - 1]?.createRevision;',
    replace: 'return members.length < needed ? undefined : members.at(-1)?.createRevision;',
    story: 'whoever is there when it opens goes in: more than a round takes',
    ...{ killedBy, invariant: 'DOUBLE-1' },
  },
  {
    name: 'double-inside-by-phase',
    file: round,
    find: "if (created > now.upTo) return { status: 'waiting' };",
    replace: "if (now.phase !== 'inside') return { status: 'waiting' };",
    story: "etcd's recipe: whoever finds the key ready is in, also who came too late",
    ...{ killedBy, invariant: 'DOUBLE-1' },
  },
  {
    name: 'double-let-in-by-the-last',
    file: seen,
    find: "case 'entering': {",
    replace: "case 'entering': {\n      if (settings.size > 0) return undefined;",
    story:
      "etcd's recipe: only whoever came last lets the others in, and where it dies before that all wait for ever",
    ...{ killedBy, invariant: 'not live, DOUBLE-1, DOUBLE-2, DOUBLE-3' },
  },
  {
    name: 'double-over-too-soon',
    file: seen,
    find: 'return now !== undefined && (first === undefined || first.createRevision > now.upTo);',
    replace: 'return now !== undefined && (first === undefined || first.createRevision >= now.upTo);',
    story: 'a round is over with one still inside: off by one',
    ...{ killedBy, invariant: 'DOUBLE-2' },
  },
  {
    name: 'double-leaves-with-the-first',
    file: round,
    find: "return now.phase === 'inside' ? 'waiting' : 'broken';",
    replace: "return now.phase === 'inside' ? 'over' : 'broken';",
    story: 'who leaves waits for nobody',
    ...{ killedBy, invariant: 'DOUBLE-2' },
  },
  {
    name: 'double-broken-is-over',
    file: round,
    find: "return now.phase === 'inside' ? 'waiting' : 'broken';",
    replace: "return now.phase === 'inside' ? 'waiting' : 'over';",
    story:
      "Curator's double barrier: an ephemeral node that went has left, and nobody is told that its owner died",
    ...{ killedBy, invariant: 'DOUBLE-2' },
  },
  {
    name: 'double-deaths-are-departures',
    file: seen,
    find: "const breaks = settings.deadMembers === 'break' && dead > 0;",
    replace: "const breaks = settings.deadMembers === 'break' && dead < 0;",
    story: 'every deletion is taken for a departure: a round is over, and nobody knows that a member died',
    ...{ killedBy, invariant: 'DOUBLE-2' },
  },
  {
    name: 'double-departures-are-deaths',
    file: rounds,
    find: "const success: Op[] = [remove(key), put(this.keys.left, '')];",
    replace: "const success: Op[] = waits ? [remove(key), put(this.keys.left, '')] : [remove(key)];",
    story: 'who gives up is taken for dead, and breaks the round of the others',
    ...{ killedBy, invariant: 'DOUBLE-3, DOUBLE-1, DOUBLE-2' },
  },
  {
    name: 'double-old-deaths-count-again',
    file: seen,
    find: '  success.push(put(keys.lost, String(lost + dead)));\n',
    replace: '',
    story: 'a death breaks every round from then on',
    ...{ killedBy, invariant: 'DOUBLE-3, DOUBLE-1, not live' },
  },
  {
    name: 'double-dead-fleet-is-remembered',
    file: coming,
    find: "success: [{ type: 'delete', ...numbers }, put(afresh, '')],",
    replace: "success: [put(afresh, ''), put(came, '')],",
    story: 'who comes to an empty barrier is told that somebody had died who was not there with it',
    ...{ killedBy, invariant: 'DOUBLE-3, DOUBLE-1, not live' },
  },
  {
    name: 'double-begins-before-all-were-told',
    file: seen,
    find: 'return leavers.length === 0 && (first === undefined || first.createRevision > (now?.mod ?? 0));',
    replace:
      'return leavers.length === 0 || (first === undefined || first.createRevision > (now?.mod ?? 0));',
    story: 'a broken round is forgotten before those who wait have heard of it',
    ...{ killedBy, invariant: 'DOUBLE-3, DOUBLE-2' },
  },
  {
    name: 'double-lets-in-who-withdrew',
    file: seen,
    find: "const unchanged = [keys.left, keys.afresh].map((key) => compare.mod(key, 'less', revision + 1));",
    replace: "const unchanged = [keys.afresh].map((key) => compare.mod(key, 'less', revision + 1));",
    story: 'between the count and the opening one has gone: the round is one short',
    ...{ killedBy, invariant: 'DOUBLE-1' },
  },
  {
    name: 'double-gives-up-and-stays',
    file: rounds,
    find: 'void this.depart(came.member, { waits: false });\n',
    replace: '\n',
    story: 'a wait that timed out leaves its key: it counts as one who is there',
    ...{ killedBy, invariant: 'DOUBLE-5, DOUBLE-1, DOUBLE-2, not live' },
  },
  {
    name: 'double-leavers-stay',
    file: rounds,
    find: 'if (leaver !== undefined) void sendDeletion(this.#client, session, request);',
    replace: 'void request;',
    story: 'who gives up leaving leaves the key of one who waits to leave',
    ...{ killedBy, invariant: 'DOUBLE-5' },
  },
  {
    name: 'double-death-in-silence',
    file: 'src/barriers/double/waiters.ts',
    find: 'return (went(keys.members) && !hasLeft) ||',
    replace: 'return (went(keys.members) && !hasLeft && events.length > 1e6) ||',
    story: 'nobody watches for deaths: who waits hears of one when somebody happens to look',
    ...{ killedBy, invariant: 'DOUBLE-2' },
  },
  {
    name: 'double-full-as-before',
    file: rounds,
    find: "if (now.phase !== 'inside' || this.#settings.whenFull === 'queue') return undefined;",
    replace: "if (now.upTo === 0 || this.#settings.whenFull === 'queue') return undefined;",
    story:
      'who comes once a round is over is refused as if it still went on: the mark of it is never taken away',
    ...{ killedBy, invariant: 'DOUBLE-4' },
  },
];
