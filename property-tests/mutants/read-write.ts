/** Bugs of read-write locks: those of others, as our protocol could have them, and those that were our own. */
import type { Mutant } from './mutant.js';

const place = 'src/line/place.ts';
const shapes = 'src/locks/read-write/shapes.ts';
const readPlace = 'src/locks/read-write/read-place.ts';
const upgrade = 'src/locks/read-write/upgrade.ts';
const writeHold = 'src/locks/read-write/write-hold.ts';
const giveUpWriteKey = 'src/locks/read-write/give-up-write-key.ts';
const leaving = 'src/line/leaving.ts';
const killedBy = 'read-write';

const turns: readonly Mutant[] = [
  {
    name: 'rw-reader-waits-for-nobody',
    file: shapes,
    find: 'waitsFor: (key) => key.startsWith(write),',
    replace: 'waitsFor: () => false,',
    story: 'a read lock that is a mere count',
    ...{ killedBy, invariant: 'RW-1, RW-2' },
  },
  {
    name: 'rw-reader-waits-for-all',
    file: shapes,
    find: 'waitsFor: (key) => key.startsWith(write),',
    replace: 'waitsFor: () => true,',
    story:
      'etcd Go recipes, RWMutex: one key is watched, the newest before, so that readers wait for readers',
    ...{ killedBy, invariant: 'not live, LOCK-3' },
  },
  {
    name: 'rw-writer-waits-for-writers',
    file: shapes,
    find: 'waitsFor: isReadKey,',
    replace: 'waitsFor: (key) => key.startsWith(write),',
    story: 'a write lock that is a mutex among writers',
    ...{ killedBy, invariant: 'RW-1' },
  },
  {
    name: 'rw-writer-with-one-guard',
    file: place,
    find: 'return this.#claims.map(({ key, revision }) => compare.mod(',
    replace: 'return this.#claims.slice(0, 1).map(({ key, revision }) => compare.mod(',
    story: 'etcd Go concurrency, IsOwner: one key answers for the hold, though others enter by the other',
    ...{ killedBy, invariant: 'LOCK-5, RW-1' },
  },
  {
    name: 'rw-other-key-stays',
    file: leaving,
    find: 'await this.#leave(new Place({ claims, session, revision, asOf: revision, older: new Map() }), []);',
    replace: '',
    story: 'kazoo #760, by two keys: what was lost in part is not cleared away, and blocks all',
    ...{ killedBy, invariant: 'not live, LOCK-4' },
  },
];

const sharing: readonly Mutant[] = [
  {
    name: 'rw-slice-of-any-time',
    file: readPlace,
    find: 'return this.#granted < this.#most && this.kit.client.runtime.monotonicMs() < this.#endMs;',
    replace: 'return this.#granted < this.#most;',
    story: 'Redisson RReadWriteLock before fair locks: readers that keep coming starve a writer',
    ...{ killedBy, invariant: 'LOCK-8' },
  },
  {
    name: 'rw-slice-of-any-number',
    file: readPlace,
    find: 'return this.#granted < this.#most && ',
    replace: 'return ',
    story: 'local sharing without a bound starves other processes',
    ...{ killedBy, invariant: 'LOCK-8' },
  },
  {
    name: 'rw-left-by-the-first-reader',
    file: readPlace,
    find: 'if (this.#holds.size === 0) await this.#close();',
    replace: 'await this.#close();',
    story: 'Redisson #5303, a shared entry without a count: the first reader that unlocks lets a writer in',
    ...{ killedBy, invariant: 'RW-1, LOCK-9, not live' },
  },
  {
    name: 'rw-one-token-for-all-readers',
    file: readPlace,
    find: 'new PlaceReadHold(this, this.#grantsBefore + this.#granted)',
    replace: 'new PlaceReadHold(this, this.#grantsBefore)',
    story: 'Hazelcast FencedLock: a second acquire has the same token',
    ...{ killedBy, invariant: 'LOCK-2' },
  },
];

const upgrades: readonly Mutant[] = [
  {
    name: 'rw-upgrade-past-a-writer',
    file: upgrade,
    find: "compare: [place.session.guard(), ...place.guards(), compare.create(writersOf(line), 'equal', 0)],",
    replace: 'compare: [place.session.guard(), ...place.guards()],',
    story: 'an upgrade that goes past a queued writer: it cancels, and a reader behind it enters',
    ...{ killedBy, invariant: 'RW-3, RW-1' },
  },
  {
    name: 'rw-upgrade-waits-its-turn',
    file: upgrade,
    find: "if (isPermanent(error) || isQuorateError(error, 'upgrade-conflict')) throw error;",
    replace: 'if (isPermanent(error)) throw error;',
    story: 'Java ReentrantReadWriteLock: a reader that asks to write waits for itself',
    ...{ killedBy, invariant: 'not live' },
  },
  {
    name: 'rw-two-upgrade-one-place',
    file: readPlace,
    find: 'if (!this.#upgrade.isGivenUp) throw upgradeConflict(this.kit.name);',
    replace: '',
    story: 'two readers upgrade, and each waits for the other',
    ...{ killedBy, invariant: 'not live' },
  },
  {
    name: 'rw-upgrade-waits-for-nobody',
    file: upgrade,
    find: 'waitsFor: (key) => isReadKey(key) && key !== own,',
    replace: 'waitsFor: (key) => !isReadKey(key) && key !== own,',
    story: 'Postgres-like lock promotion without waiting for the other readers',
    ...{ killedBy, invariant: 'RW-1' },
  },
  {
    name: 'rw-upgrade-forgets-its-own-place',
    file: upgrade,
    find: 'await waitFor(runtime, this.#readers.onlyHeldBy(this.#hold), stop, doing);',
    replace: '',
    story: 'readers of one process share a place, and one of them becomes a writer beside the others',
    ...{ killedBy, invariant: 'LOCK-9' },
  },
  {
    name: 'rw-upgrade-given-up-stays',
    file: upgrade,
    find: 'if (claim !== undefined) await kit.line.leave(claim);',
    replace: '',
    story: 'etcd Go TryLock and #9715: a wait that was given up leaves its key in the line',
    ...{ killedBy, invariant: 'not live, LOCK-4' },
  },
  {
    name: 'rw-upgrade-before-late-writes',
    file: upgrade,
    find: 'if (!isSettled || !this.#readers.isSettled) await',
    replace: 'if (!isSettled && isSettled) await',
    story: 'jetcd 0.8.2 (Jepsen 2024): a write that timed out is taken for one that was not applied',
    ...{ killedBy, invariant: 'LOCK-5' },
  },
  {
    name: 'rw-upgrade-without-its-read-key',
    file: upgrade,
    find: 'admission: whileStanding(place),',
    replace: '',
    story: 'etcd Go Mutex before #11408, in an upgrade: no look at the own key after the wait',
    ...{ killedBy, invariant: 'RW-1' },
  },
  {
    name: 'rw-released-while-its-key-is-renewed',
    file: readPlace,
    find: 'await this.#upgrade?.over;',
    replace: '',
    story:
      'our own, found by this property: the deletion was guarded by the revision before, and the key stayed',
    ...{ killedBy, invariant: 'not live, LOCK-4' },
  },
];

const downgrades: readonly Mutant[] = [
  {
    name: 'rw-downgrade-by-queueing-again',
    file: writeHold,
    find: 'await giveUpWriteKey(this.#kit, this.place);',
    replace: `await this.#kit.line.leave(this.place);
      const again = await this.#kit.line.join(this.place.session, { shape: { keys: (stem) => [\`r/\${stem}\`], waitsFor: (key) => key.startsWith('w/') } });
      await again.turn;
      return this.#kit.readHoldAfterWriting({ place: again });`,
    story: 'Redisson, Curator: unlock and lock again, and a writer comes between',
    ...{ killedBy, invariant: 'RW-3' },
  },
  {
    name: 'rw-downgrade-before-its-writes',
    file: writeHold,
    find: `      await this.settled();
      await giveUpWriteKey(`,
    replace: '      await giveUpWriteKey(',
    story: 'kubernetes #71490: released before the guarded work has ended',
    ...{ killedBy, invariant: 'not live, LOCK-4' },
  },
  {
    name: 'rw-downgraded-whatever-the-clock',
    file: giveUpWriteKey,
    find: `    if (!session.isLive()) await session.settled();
    session.assertLive();`,
    replace: '',
    story: 'our own, found by this property: a process slept while the reply was on the way',
    ...{ killedBy, invariant: 'LOCK-9' },
  },
];

export const readWriteMutants: readonly Mutant[] = [...turns, ...sharing, ...upgrades, ...downgrades];
