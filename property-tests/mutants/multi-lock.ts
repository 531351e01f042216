/** Bugs of locks that are taken several at a time. */
import type { Mutant } from './mutant.js';

const placeSet = 'src/locks/multi-lock/place-set.ts';
const multiLock = 'src/locks/multi-lock.ts';
const killedBy = 'multi-lock';

export const multiLockMutants: readonly Mutant[] = [
  {
    name: 'multi-one-by-one',
    file: placeSet,
    find: 'const places = await sendJoinings({ ...request, joinings });',
    replace: `const places: Place[] = [];
    for (const joining of joinings) {
      const [one] = (await sendJoinings({ ...request, joinings: [joining] })) ?? [];
      if (one === undefined) return undefined;
      places.push(one);
    }`,
    story:
      'Curator InterProcessMultiLock: takes one after the other, in the order in which each caller names them',
    ...{ killedBy, invariant: 'MULTI-2, not live' },
  },
  {
    name: 'multi-try-all-and-retry',
    file: placeSet,
    find: 'const empty = ifEmpty ? lines',
    replace: 'const empty = ifEmpty !== null ? lines',
    story:
      'Redisson RedissonMultiLock, Curator InterProcessMultiLock: tries all, lets go, tries again, and starves',
    ...{ killedBy, invariant: 'LOCK-7, not live' },
  },
  {
    name: 'multi-partial-release',
    file: placeSet,
    find: "const left = this.#stands.filter(({ place }) => place.state.status !== 'gone');",
    replace: "const left = this.#stands.filter(({ place }) => place.state.status !== 'gone').slice(0, 1);",
    story: 'locks that are released one by one: an error at the first leaves the others held',
    ...{ killedBy, invariant: 'MULTI-1, LOCK-4, not live' },
  },
  {
    name: 'multi-one-guard-of-many',
    file: 'src/line/fenced-writes.ts',
    find: 'compare: this.#place.guards(), success: [nested(request)]',
    replace: 'compare: this.#place.guards().slice(0, 1), success: [nested(request)]',
    story: 'a write under several locks that names the token of one',
    ...{ killedBy, invariant: 'LOCK-5' },
  },
  {
    name: 'multi-single-token',
    file: multiLock,
    find: 'fencingToken(proofs[index] ?? 0, 0)',
    replace: 'fencingToken(proofs[0] ?? index, 0)',
    story: 'one token for a whole set: the proof of one line says nothing of another',
    ...{ killedBy, invariant: 'MULTI-1, LOCK-1, LOCK-2' },
  },
  {
    name: 'multi-lost-in-part',
    file: placeSet,
    find: 'const offs = places.map((place) => place.onGone((error) => one.end(error)));',
    replace: 'const offs = places.slice(0, 1).map((place) => place.onGone((error) => one.end(error)));',
    story: 'only one of the locks is watched, and answers for all',
    ...{ killedBy, invariant: 'MULTI-1, LOCK-9' },
  },
  {
    name: 'multi-keeps-a-part-handed-over',
    file: placeSet,
    find: 'if (place.key !== joining.keys[0] && !this.isAdmitted) end();',
    replace: '',
    story: 'a turn that is handed past others closes a circle between sets: our own, as it was drawn up',
    ...{ killedBy, invariant: 'not live' },
  },
];
