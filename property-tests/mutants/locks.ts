/** Bugs of locks: those of others, as our protocol could have them, and those that were our own. */
import type { Mutant } from './mutant.js';

const place = 'src/line/place.ts';
const line = 'src/line/line.ts';
const leaving = 'src/line/leaving.ts';
const joining = 'src/line/joining.ts';
const lineWatch = 'src/line/line-watch.ts';
const writes = 'src/line/fenced-writes.ts';
const mutex = 'src/locks/mutex.ts';
const hold = 'src/locks/hold.ts';
const callers = 'src/locks/waiting/callers.ts';
const delayLease = 'src/session/delay-lease.ts';
const killedBy = 'mutex';

const turns: readonly Mutant[] = [
  {
    name: 'lock-any-older-gone',
    file: place,
    find: 'if (complete && this.#missing === undefined && this.#mayBeAdmitted()) this.#become(',
    replace: 'if (complete && this.#missing === undefined) this.#become(',
    story: 'npm etcd3 #176: the third in line leads when the second stops',
    ...{ killedBy, invariant: 'LOCK-1' },
  },
  {
    name: 'lock-event-after-gap',
    file: lineWatch,
    find: `    for (const place of [...this.#followed]) {
      this.#deliverTo(place, events, revision, this.#isComplete(place));`,
    replace: `    for (const place of [...this.#followed]) {
      this.#deliverTo(place, events, revision, true);`,
    story: 'etcd Go Mutex before #11408: no look at the own key after the wait',
    ...{ killedBy, invariant: 'LOCK-1' },
  },
  {
    name: 'lock-read-proves-more',
    file: place,
    find: 'if (revision < this.#lastChange) return;',
    replace: '',
    story: 'our own before 5aa66d8: a read answers for its own revision, however late',
    ...{ killedBy, invariant: 'LOCK-1' },
  },
  {
    name: 'lock-cut-is-wake-up',
    file: lineWatch,
    find: `        this.#openedSince.delete(source);
        this.#openedAt = undefined;`,
    replace: `        this.#openedSince.delete(source);
        this.#openedAt = undefined;
        for (const one of this.#followed) one.see(new Map(one.claims.map(({ key, created, revision }) => [key, { key, createRevision: created, modRevision: revision, version: 1, value: new Uint8Array(), lease: '0' }])), one.asOf, true);`,
    story: 'etcd Go recipes, waitEvents: a closed channel, by cut or compaction, is taken for the event',
    ...{ killedBy, invariant: 'LOCK-1' },
  },
  {
    name: 'lock-existence-alone',
    file: place,
    find: 'if (present.get(key)?.createRevision !== created) this.#older.delete(key);',
    replace: 'if (!present.has(key)) this.#older.delete(key);',
    story: 'etcd Go Mutex with a watch from now: a look by existence alone hung, since names come again',
    ...{ killedBy, invariant: 'not live, LOCK-3' },
  },
  {
    name: 'lock-deaf-while-joining',
    file: 'src/line/joins-under-way.ts',
    find: 'of missed.news ?? []) teller.tell',
    replace: 'of [] as News[]) teller.tell',
    story: 'Redisson #1763, #5070: a release between the try and the subscription is missed',
    ...{ killedBy, invariant: 'LOCK-3' },
  },
  {
    name: 'lock-local-last-first',
    file: callers,
    find: 'if (first) this.#line.splice',
    replace: 'if (first || this.#size > 0) this.#line.splice',
    story: 'unfair local queue, as of a spin lock',
    ...{ killedBy, invariant: 'LOCK-7' },
  },
  {
    name: 'lock-barging-without-bound',
    file: 'src/locks/mutex/mutex-options.ts',
    find: 'barging ? { grants: grantsPerRevision, ms: bargingMs }',
    replace: 'barging ? { grants: grantsPerRevision, ms: Number.POSITIVE_INFINITY }',
    story: 'Java ReentrantLock, unfair, and every barging lock without a bound: who waits may wait for ever',
    ...{ killedBy, invariant: 'LOCK-8' },
  },
  {
    name: 'lock-slice-of-any-number',
    file: mutex,
    find: 'grant < this.#sliceGrants;',
    replace: 'grant < grantsPerRevision;',
    story: 'local coalescing without a bound starves other processes',
    ...{ killedBy, invariant: 'LOCK-8' },
  },
  {
    name: 'lock-slice-of-any-time',
    file: mutex,
    find: 'if (!definite || runtime.monotonicMs() >= endMs) return;',
    replace: 'if (!definite || endMs < 0) return;',
    story: 'local coalescing without a bound starves other processes',
    ...{ killedBy, invariant: 'LOCK-8' },
  },
];

const fencing: readonly Mutant[] = [
  {
    name: 'lock-token-of-the-place',
    file: mutex,
    find: 'fencingToken(proof, grant)',
    replace: 'fencingToken(place.revision, grant)',
    story: 'etcd documentation, contrib/lock: what is older than the hold as its token',
    ...{ killedBy, invariant: 'LOCK-1' },
  },
  {
    name: 'lock-token-of-the-process',
    file: mutex,
    find: 'fencingToken(proof, grant)',
    replace: 'fencingToken(proof, 0)',
    story: 'Hazelcast FencedLock: a reentrant acquire has the same token',
    ...{ killedBy, invariant: 'LOCK-2' },
  },
  {
    name: 'lock-writes-unguarded',
    file: writes,
    find: 'compare: this.#place.guards(), success: [nested(request)]',
    replace: 'compare: [], success: [nested(request)]',
    story: 'Redlock, Redisson, client-go #44887: what is done under the lock is not fenced',
    ...{ killedBy, invariant: 'LOCK-5' },
  },
  {
    name: 'lock-passed-on-unsettled',
    file: mutex,
    find: 'const definite = await hold.settled();',
    replace: 'const definite = true;',
    story: 'kubernetes #71490: released before the guarded work has ended',
    ...{ killedBy, invariant: 'LOCK-5' },
  },
  {
    name: 'lock-unknown-write-forgotten',
    file: writes,
    find: 'return !this.#unknown;',
    replace: 'return true;',
    story: 'jetcd 0.8.2 (Jepsen 2024): a write that timed out is taken for one that was not applied',
    ...{ killedBy, invariant: 'LOCK-5' },
  },
];

const holding: readonly Mutant[] = [
  {
    name: 'lock-held-whatever-the-clock',
    file: hold,
    find: "return this.#phase === 'taking' && place.isLive && ",
    replace: "return this.#phase === 'taking' && ",
    story: 'client-go IsLeader: compares what was last observed and ignores time',
    ...{ killedBy, invariant: 'LOCK-9' },
  },
  {
    name: 'lock-granted-whatever-the-clock',
    file: mutex,
    find: `if (!place.isLive) await place.settled();
        if (place.state.status !== 'admitted' || !place.isLive) return;`,
    replace: "if (place.state.status !== 'admitted') return;",
    story: 'Redisson: a pause between the acquisition and the work',
    ...{ killedBy, invariant: 'LOCK-9' },
  },
  {
    name: 'lock-passed-on-unreleased',
    file: mutex,
    find: 'await hold.released;',
    replace: 'await Promise.race([hold.released, sleep(runtime, 50)]);',
    story: 'Redisson: an explicit lease time that switches the watchdog off',
    ...{ killedBy, invariant: 'LOCK-9, LOCK-5' },
  },
  {
    name: 'lock-deaf-to-its-session',
    file: hold,
    find: '        this.#lost = error;',
    replace: `        if (error.code === 'session-lost') return;
        this.#lost = error;`,
    story: 'consul #18271, kazoo #565, redisson #4698: who holds is not told of the loss',
    ...{ killedBy, invariant: 'LOCK-9' },
  },
  {
    name: 'lock-deaf-to-its-own-key',
    file: place,
    find: "if (events.some(({ type, kv }) => type === 'delete' && this.#isOwn(kv.key, revision))) {",
    replace: 'if (events.length === 0) {',
    story: 'etcd Go Mutex: nobody watches the own key',
    ...{ killedBy, invariant: 'LOCK-6, LOCK-1' },
  },
  {
    name: 'lock-hold-unwatched',
    file: line,
    find: "if (place.state.status === 'admitted' && !place.isDisregarded) this.#watch.followFromNow(place);",
    replace: '',
    story: 'etcdctl lock #7983: while the command runs nobody looks after the lock',
    ...{ killedBy, invariant: 'LOCK-6' },
  },
  {
    name: 'lock-hold-watched-late',
    file: lineWatch,
    find: 'const missed = this.#deliveredAt > place.asOf;',
    replace: 'const missed = false;',
    story: 'our own, found by this property: what the standing watch told before the hold was watched',
    ...{ killedBy, invariant: 'LOCK-6, LOCK-3' },
  },
  {
    name: 'lock-loss-untold',
    file: mutex,
    find: 'await hold.confirm();',
    replace: '',
    story: 'etcdctl lock: its lease was revoked, the command ran on beside the next holder and exited 0',
    ...{ killedBy },
  },
];

const joins: readonly Mutant[] = [
  {
    name: 'lock-unknown-join-is-none',
    file: joining,
    find: 'return Promise.all(joinings.map((joining) => joining.find()));',
    replace: 'return undefined;',
    story: 'Curator before its protected mode, kazoo #412: a create whose reply was lost blocks all',
    ...{ killedBy, invariant: 'not live, LOCK-4' },
  },
  {
    name: 'lock-unknown-join-is-a-hold',
    file: joining,
    find: 'return Promise.all(joinings.map((joining) => joining.find()));',
    replace:
      'return joinings.map(({ keys }) => new Place({ claims: keys.map((key) => ({ key, created: 2, revision: 2 })), session, revision: 2, asOf: 2, older: new Map() }));',
    story: 'Curator CURATOR-696: who is first is taken for the owner without asking whose the node is',
    ...{ killedBy, invariant: 'LOCK-1, not live' },
  },
  {
    name: 'lock-given-up-stays',
    file: mutex,
    find: `    if (this.#callers.size === 0) {
      await this.#line.leave(place);`,
    replace: `    if (this.#callers.size === 0) {
      if (place.state.status === 'admitted') await this.#line.leave(place);`,
    story: 'etcd Go TryLock and #9715, kazoo #760: a wait that was given up leaves its key in the line',
    ...{ killedBy, invariant: 'not live, LOCK-4' },
  },
  {
    name: 'lock-place-of-the-process',
    file: line,
    find: 'this.#id = client.runtime.newId();',
    replace: 'this.#id = client.id;',
    story: 'etcd Go concurrency #11360, #10756: two handles of one session are one owner',
    ...{ killedBy },
  },
  {
    name: 'lock-place-without-lease',
    file: line,
    find: 'put(key, value, { lease: session.leaseId })',
    replace: 'put(key, value)',
    story: 'etcd Barrier.Hold: a dead holder blocks for ever',
    ...{ killedBy, invariant: 'not live' },
  },
];

const handing: readonly Mutant[] = [
  {
    name: 'lock-guard-by-creation',
    file: place,
    find: "return this.#claims.map(({ key, revision }) => compare.mod(key, 'equal', revision));",
    replace: "return this.#claims.map(({ key, created }) => compare.create(key, 'equal', created));",
    story: 'etcd Go Mutex.IsOwner: after a hand-over the old holder still passes a guard by creation',
    ...{ killedBy, invariant: 'LOCK-5, LOCK-9, LOCK-1' },
  },
  {
    name: 'lock-handed-to-the-dead',
    file: 'src/line/hand-over.ts',
    find: "compare: [...from.guards(), compare.mod(to.key, 'equal', to.modRevision)],",
    replace: 'compare: from.guards(),',
    story: 'a lock is handed to who has gone since it was read, and nobody has it',
    ...{ killedBy, invariant: 'LOCK-10, not live' },
  },
  {
    name: 'lock-handed-unnoticed',
    file: place,
    find: "if (this.#state.status === 'waiting') this.#missing = revision;",
    replace: "if (this.#state.status === 'waiting') this.#goneAt(revision);",
    story: 'whose key goes takes itself for gone, holds the lock without knowing, and queues behind itself',
    ...{ killedBy, invariant: 'not live' },
  },
  {
    name: 'lock-handed-to-who-leaves',
    file: leaving,
    find: "if (place.state.status === 'waiting' && (await this.#takeOver(place))) continue;",
    replace: '',
    story: 'a waiter that gives up at the moment in which it is handed the lock keeps it for ever',
    ...{ killedBy, invariant: 'not live, LOCK-4' },
  },
];

const granting: readonly Mutant[] = [
  {
    name: 'lock-granted-whoever-is-named',
    file: 'src/line/granted-watch.ts',
    find: 'if (grant === undefined || grant.place !== place.key || grant.created !== place.revision) continue;',
    replace: 'if (grant === undefined) continue;',
    story: 'a mailbox of the process: whichever of its places waits takes the turn of another',
    ...{ killedBy, invariant: 'LOCK-1, LOCK-7, LOCK-4, not live' },
  },
  {
    name: 'lock-granted-last-first',
    file: 'src/line/grant.ts',
    find: 'one.createRevision - other.createRevision',
    replace: 'other.createRevision - one.createRevision',
    story: 'Semaphores of Redisson, unfair: the one who came last is told first',
    ...{ killedBy, invariant: 'LOCK-1, LOCK-3, LOCK-7' },
  },
  {
    name: 'lock-granted-to-the-gone',
    file: 'src/line/granting.ts',
    find: "compare: [...place.guards(), compare.mod(next.key, 'equal', created)],",
    replace: 'compare: place.guards(),',
    story: 'ZooKeeper and MCS queues without a check: the turn goes to a place that has been given up',
    ...{ killedBy },
  },
  {
    name: 'lock-crowd-counted-short',
    file: joining,
    find: 'return this.#inACrowd(revision, count - 1, isGuarded);',
    replace: 'return this.#inACrowd(revision, count - 2, isGuarded);',
    story: 'who counts itself among the others thinks itself alone while one is before it',
    ...{ killedBy, invariant: 'LOCK-1, LOCK-7' },
  },
  {
    name: 'lock-granted-nobody-told',
    file: 'src/line/granting.ts',
    find: 'deletions.push(remove(this.#sentinel));\n',
    replace: '{}\n',
    story: 'who leaves and knows of nobody behind leaves the guard standing, and nobody wakes',
    ...{ killedBy, invariant: 'LOCK-3, not live' },
  },
  {
    name: 'lock-granted-and-taken-away',
    file: 'src/line/granting.ts',
    find: 'if (wasTakenAway(error)) this.#wakeAll(place.session);',
    replace: 'if (wasTakenAway(error)) return;',
    story:
      'our own, found by a review: a place was deleted that had been granted its turn by name, and the lock was idle until somebody looked',
    ...{ killedBy, invariant: 'LOCK-3' },
  },
];

const delaying: readonly Mutant[] = [
  {
    name: 'lock-delay-too-short',
    file: delayLease,
    find: `ttlSeconds: delayTtlSeconds(session.ttlMs, delayMs, bounds),
        bounds: { ...bounds, abortMs: bounds.abortMs + delayMs },`,
    replace: 'ttlSeconds: Math.ceil((session.ttlMs + delayMs) / 1_000), bounds,',
    story:
      'a second lease with the TTL and the delay for a TTL, which was renewed a while before the first was lost',
    ...{ killedBy, invariant: 'LOCK-11' },
  },
  {
    name: 'lock-delay-not-secured',
    file: mutex,
    find: 'if (this.#delay !== undefined && proof !== undefined) proof = await this.#secured(this.#delay, place);',
    replace: '',
    story:
      'who waited for the lock holds it by the lease of its session, and it is free as soon as that ends',
    ...{ killedBy, invariant: 'LOCK-11' },
  },
  {
    name: 'lock-delay-kept-alive',
    file: delayLease,
    find: 'const end = () => void this.#end();',
    replace: 'const end = () => this.#resolveEnded();',
    story: 'a live process that has lost its session renews for ever what it has lost',
    ...{ killedBy, invariant: 'not live' },
  },
  {
    name: 'lock-delay-revoked-at-once',
    file: delayLease,
    find: 'if (this.#inUse.size > 0) this.#own.abandon();\n    else await',
    replace: 'await',
    story: 'what knows of the loss of its session cleans up behind itself, and takes the delay away',
    ...{ killedBy, invariant: 'LOCK-11' },
  },
];

export const lockMutants: readonly Mutant[] = [
  ...turns,
  ...fencing,
  ...holding,
  ...joins,
  ...handing,
  ...granting,
  ...delaying,
];
