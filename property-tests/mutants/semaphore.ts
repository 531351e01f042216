/** Bugs of semaphores: those of others, as our protocol could have them, and those that our own nearly had. */
import type { Mutant } from './mutant.js';

const admission = 'src/locks/semaphore/weight-admission.ts';
const permits = 'src/locks/semaphore/permits.ts';
const limit = 'src/locks/semaphore/limit.ts';
const semaphore = 'src/locks/semaphore.ts';
const hold = 'src/locks/semaphore/semaphore-hold.ts';
const joining = 'src/line/joining.ts';
const killedBy = 'semaphore';

const admitting: readonly Mutant[] = [
  {
    name: 'semaphore-lighter-passes',
    file: admission,
    find: 'for (const key of older.keys()) left -= weightIn(key) ?? 0;',
    replace: 'for (const key of older.keys()) if ((weightIn(key) ?? 0) <= left) left -= weightIn(key) ?? 0;',
    story: 'Redisson RSemaphore, any semaphore that asks only what is free: light ones starve a heavy one',
    ...{ killedBy, invariant: 'SEMAPHORE-2, SEMAPHORE-1' },
  },
  {
    name: 'semaphore-counts-holders',
    file: admission,
    find: 'for (const key of older.keys()) left -= weightIn(key) ?? 0;',
    replace: '',
    story:
      'single leases, as those of Curator, asked for several: those who hold are counted, not what they hold',
    ...{ killedBy, invariant: 'SEMAPHORE-1, SEMAPHORE-2' },
  },
  {
    name: 'semaphore-limit-apart',
    file: admission,
    find: 'if (key === this.#limitKey) this.#learn(kv, revision);',
    replace: 'if (key === this.#limitKey) void Promise.resolve().then(() => this.#learn(kv, revision));',
    story:
      'Curator InterProcessSemaphoreV2 with a SharedCount: limit and leases are watched apart, in no one order',
    ...{ killedBy, invariant: 'SEMAPHORE-1, LOCK-3' },
  },
  {
    name: 'semaphore-shrink-ignored',
    file: admission,
    find: 'const limit = kv === undefined ? undefined : limitIn(textOf(kv.value));',
    replace:
      'let limit = kv === undefined ? undefined : limitIn(textOf(kv.value)); if (limit !== undefined) limit = Math.max(limit, this.#known.limit ?? 0);',
    story:
      'Curator InterProcessSemaphoreV2: its limit is a convention of its users, and each goes by its own',
    ...{ killedBy, invariant: 'SEMAPHORE-1, SEMAPHORE-4' },
  },
  {
    name: 'semaphore-deletions-only',
    file: permits,
    find: "of: 'everything'",
    replace: "of: 'deletions'",
    story: 'limit and leases told by different means: a change of the limit is not heard of',
    ...{ killedBy, invariant: 'LOCK-3, SEMAPHORE-1, not live' },
  },
  {
    name: 'semaphore-no-limit-is-none',
    file: admission,
    find: 'if (limit === undefined) return false;',
    replace: 'if (limit === undefined) return true;',
    story: 'a limit that somebody deleted lets everybody in',
    ...{ killedBy, invariant: 'SEMAPHORE-1' },
  },
  {
    name: 'semaphore-ties-unordered',
    file: joining,
    find: "(createRevision === rank && key < (this.keys[0] ?? ''))",
    replace: 'false',
    story: 'places that one revision created do not count for each other',
    ...{ killedBy, invariant: 'SEMAPHORE-1, SEMAPHORE-2' },
  },
];

const waiting: readonly Mutant[] = [
  {
    name: 'semaphore-one-by-one',
    file: semaphore,
    find: 'return this.#permits.acquire(checkAcquireOptions(options, doing), options, doing);',
    replace: `const parts: PermitHold[] = [];
    const { weight } = checkAcquireOptions(options, doing);
    while (parts.length < weight) parts.push(await this.#permits.acquire({ weight: 1 }, options, doing));
    const [own, ...others] = parts as [PermitHold, ...PermitHold[]];
    void own.released.then(() => others.map((one) => one.release()));
    return own;`,
    story:
      'Curator InterProcessSemaphoreV2.acquire(n): one by one, so that two hold a part each and wait for ever',
    ...{ killedBy, invariant: 'not live, LOCK-4' },
  },
  {
    name: 'semaphore-over-limit-waits',
    file: permits,
    find: 'if (admission.isTooHeavy) this.#withdraw(group, place);',
    replace: '',
    story: 'a waiter that a smaller limit overtakes holds up everybody behind it for ever',
    ...{ killedBy, invariant: 'not live' },
  },
  {
    name: 'semaphore-limit-stays-away',
    file: permits,
    find: 'if (limit === undefined) this.limit.restore(writtenAt);',
    replace: '',
    story: 'a limit that was deleted is put back by who comes, and not for those who wait',
    ...{ killedBy, invariant: 'not live' },
  },
  {
    name: 'semaphore-lost-join-leaks',
    file: joining,
    find: 'return Promise.all(joinings.map((joining) => joining.find()));',
    replace: 'throw error;',
    story:
      'Curator CURATOR-460, Kazoo #412: a lease whose reply was lost is asked for again, and held by nobody',
    ...{ killedBy, invariant: 'not live, LOCK-4' },
  },
  {
    name: 'semaphore-given-up-stays',
    file: permits,
    find: `    group.waiting.delete(place);
    void this.#line.leave(place);`,
    replace: '    group.waiting.delete(place);',
    story:
      'Curator before its protected mode, kazoo #412: a create whose reply was lost is done again, and held by nobody',
    ...{ killedBy, invariant: 'not live, LOCK-4' },
  },
  {
    name: 'semaphore-try-stays',
    file: permits,
    find: '    await this.#line.leave(place);\n    if (admission.isTooHeavy)',
    replace: '    if (admission.isTooHeavy)',
    story: 'etcd Go TryLock: a try that failed leaves its key in the line',
    ...{ killedBy, invariant: 'not live, LOCK-4' },
  },
  {
    name: 'semaphore-change-unguarded',
    file: limit,
    find: 'const request = { compare: [asRead],',
    replace: 'const request = { compare: [],',
    story: 'two who change the limit at a time: one change is lost',
    ...{ killedBy },
  },
];

const serving: readonly Mutant[] = [
  {
    name: 'semaphore-slice-of-any-number',
    file: permits,
    find: 'grant < sliceGrants;',
    replace: 'grant < 1_024;',
    story: 'permits that are passed on within a process without a bound starve other processes',
    ...{ killedBy, invariant: 'SEMAPHORE-3' },
  },
  {
    name: 'semaphore-slice-of-any-time',
    file: permits,
    find: 'if (!isDefinite || runtime.monotonicMs() >= endMs) break;',
    replace: 'if (!isDefinite || endMs < 0) break;',
    story: 'permits that are passed on within a process without a bound starve other processes',
    ...{ killedBy, invariant: 'SEMAPHORE-3' },
  },
  {
    name: 'semaphore-places-unbounded',
    file: permits,
    find: 'if (group.lacking > 0 && this.#standing >= this.#options.waitingPlaces) break;',
    replace: 'if (group.lacking > 0 && this.#standing >= 100) break;',
    story: 'a process with many callers fills the line',
    ...{ killedBy, invariant: 'SEMAPHORE-3' },
  },
  {
    name: 'semaphore-passed-on-unsettled',
    file: permits,
    find: 'const isDefinite = await hold.settled();',
    replace: 'const isDefinite = true;',
    story: 'kubernetes #71490: released before the guarded work has ended',
    ...{ killedBy, invariant: 'LOCK-5' },
  },
  {
    name: 'semaphore-passed-on-unreleased',
    file: permits,
    find: 'await hold.released;',
    replace: 'await Promise.race([hold.released, sleep(runtime, 50)]);',
    story:
      'Redisson RPermitExpirableSemaphore: a permit whose time is up is given to the next, whoever works with it',
    ...{ killedBy, invariant: 'SEMAPHORE-3, LOCK-9, LOCK-5' },
  },
  {
    name: 'semaphore-token-of-the-place',
    file: permits,
    find: 'fencingToken(proof, grant)',
    replace: 'fencingToken(proof, 0)',
    story: 'Hazelcast FencedLock: a reentrant acquire has the same token',
    ...{ killedBy, invariant: 'SEMAPHORE-3' },
  },
  {
    name: 'semaphore-granted-whatever-the-clock',
    file: permits,
    find: `if (!place.isLive) await place.settled();
      if (place.state.status !== 'admitted' || !place.isLive) break;`,
    replace: "if (place.state.status !== 'admitted') break;",
    story: 'Redisson: a pause between the acquisition and the work',
    ...{ killedBy, invariant: 'LOCK-9' },
  },
  {
    name: 'semaphore-deaf-to-its-session',
    file: hold,
    find: `      this.#isOver = true;
      this.#lost = error;`,
    replace: `      if (error.code === 'session-lost') return;
      this.#isOver = true;
      this.#lost = error;`,
    story: 'consul #18271, kazoo #565, redisson #4698: who holds is not told of the loss',
    ...{ killedBy, invariant: 'LOCK-9' },
  },
];

export const semaphoreMutants: readonly Mutant[] = [...admitting, ...waiting, ...serving];
