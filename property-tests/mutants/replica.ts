import type { Mutant } from './mutant.js';

const following = 'src/mirror/following.ts';
const memory = 'src/mirror/memory.ts';
const pages = 'src/mirror/read-prefix.ts';
const freshness = 'src/mirror/freshness.ts';
const proofs = 'src/mirror/proofs.ts';
const writes = 'src/config/replicated-map/writes.ts';
const updates = 'src/config/replicated-map/updates.ts';
const buffer = 'src/config/replicated-map/change-buffer.ts';
const killedBy = 'replica';

const followed: readonly Mutant[] = [
  {
    name: 'replica-event-by-event',
    file: following,
    find: 'const staged = await memory.stage(ofOne);',
    replace: `for (const single of ofOne.slice(0, -1)) {
        this.#advance({ type: 'revision', revision, changes: memory.apply(await memory.stage([single])) });
      }
      const staged = await memory.stage(ofOne.slice(-1));`,
    story:
      'an informer, or npm etcd3: each event is applied, and told, by itself; half of an atomic change is seen',
    ...{ killedBy, invariant: 'REPLICA-1, REPLICA-2, REPLICA-6' },
  },
  {
    name: 'replica-next-revision-mixed-up',
    file: following,
    find: 'const fromRevision = this.#revision + 1;',
    replace: 'const fromRevision = this.#revision + 2;',
    story: 'npm etcd3: the next revision of something that is the next already; what comes first is lost',
    ...{ killedBy, invariant: 'REPLICA-1, REPLICA-2, REPLICA-3' },
  },
  {
    name: 'replica-resumed-from-now',
    file: following,
    find: "resume: 'revision' });",
    replace: "resume: 'now' });",
    story:
      'npm etcd3: a watch that reconnects goes on with what comes next, and says nothing of what it missed',
    ...{ killedBy, invariant: 'REPLICA-1, REPLICA-2, REPLICA-3, REPLICA-6, not live' },
  },
  {
    name: 'replica-goes-on-behind-a-compaction',
    file: following,
    find: `this.#mustLoad = true;
          this.#troubled(`,
    replace: `this.#revision = item.compactRevision;
          this.#troubled(`,
    story: 'a watch that begins anew after a compaction as if nothing were missing: a silent gap',
    ...{ killedBy, invariant: 'REPLICA-1, REPLICA-2, REPLICA-3, REPLICA-6, not live' },
  },
  {
    name: 'replica-reset-told-as-a-change',
    file: following,
    find: "this.#advance({ type: 'reset', revision, changes }, sentAt);",
    replace: "this.#advance({ type: 'revision', revision, changes }, sentAt);",
    story: 'a list after a compaction, told as if it were the next event: the gap is silent',
    ...{ killedBy, invariant: 'REPLICA-2, REPLICA-6' },
  },
  {
    name: 'replica-reset-without-deletions',
    file: memory,
    find: 'if (!slots.has(key)) changes.push({ key, previous: entry, current: undefined });',
    replace: 'if (slots.has(key)) continue;',
    story:
      "an informer before its deletion of what it had not seen go (Kubernetes' DeletedFinalStateUnknown)",
    ...{ killedBy, invariant: 'REPLICA-2, REPLICA-6, REPLICA-1' },
  },
  {
    name: 'replica-reset-tells-all-again',
    file: memory,
    find: 'if (known?.modRevision === slot.modRevision) continue;',
    replace: '',
    story: 'a relist tells everything there is as if it had changed: duplicates',
    ...{ killedBy, invariant: 'REPLICA-2, REPLICA-6' },
  },
  {
    name: 'replica-keeps-of-another-life',
    file: memory,
    find: 'isSameLife ? known?.entry : undefined',
    replace: 'isSameLife || known ? known?.entry : undefined',
    story:
      'a key that was deleted and created again is taken for the same, and shows a value that was deleted',
    ...{ killedBy, invariant: 'REPLICA-6' },
  },
  {
    name: 'replica-without-limits',
    file: memory,
    find: 'this.check(entries, bytes);',
    replace: '',
    story: 'a cache of everything: the memory of each process is as much as somebody writes',
    ...{ killedBy, invariant: 'REPLICA-7' },
  },
  {
    name: 'replica-limited-by-number-alone',
    file: memory,
    find: 'if (bytes > maxBytes) throw',
    replace: 'if (bytes < 0) throw',
    story: 'a cache of at most so many items, whatever they weigh',
    ...{ killedBy, invariant: 'REPLICA-7' },
  },
  {
    name: 'map-writes-more-than-there-is-room-for',
    file: memory,
    find: 'if (bytes > this.#bytes) this.check(0, bytes);',
    replace: '',
    story:
      'a limit that is looked at when reading alone: one write takes the table out of service everywhere',
    ...{ killedBy, invariant: 'REPLICA-7, not live' },
  },
  {
    name: 'replica-given-up-when-full',
    file: following,
    find: "if (error.code === 'closed' ||",
    replace: "if (error.code === 'closed' || error.code === 'over-limit' ||",
    story: 'a watch that fails is never opened again: the table is old until the process is started anew',
    ...{ killedBy, invariant: 'not live' },
  },
  {
    name: 'replica-full-goes-on-where-it-was',
    file: following,
    find: `      // If they are too many, what follows is not to be taken in without them.
      this.#mustLoad = true;
`,
    replace: '',
    story: 'a replica tries the same change for ever, though what is there has long shrunk',
    ...{ killedBy, invariant: 'not live, REPLICA-2, REPLICA-1, REPLICA-6' },
  },
];

const loading: readonly Mutant[] = [
  {
    name: 'replica-pages-of-now',
    file: pages,
    find: 'limit: limit.keys, revision }));',
    replace: 'limit: limit.keys }));',
    story:
      'a paged list whose pages are of different revisions: what moves between them is seen twice, or never',
    ...{ killedBy, invariant: 'REPLICA-1, REPLICA-2, REPLICA-6' },
  },
  {
    name: 'replica-as-of-the-last-page',
    file: pages,
    find: 'if (!page.more || last === undefined) return { revision, sentAt };',
    replace: 'if (!page.more || last === undefined) return { revision: page.revision, sentAt };',
    story: 'the watch begins at the revision in the header of the last page: what happened meanwhile is lost',
    ...{ killedBy, invariant: 'REPLICA-1, REPLICA-2, REPLICA-3, REPLICA-6' },
  },
  {
    name: 'replica-loaded-from-a-member-behind',
    file: pages,
    find: '    return { ...range, limit: limit.keys };',
    replace: '    return { ...range, limit: limit.keys, serializable: true };',
    story: 'a list from the cache of a server that lags (resourceVersion=0), taken for what is so now',
    ...{ killedBy, invariant: 'REPLICA-3' },
  },
  {
    name: 'replica-fresh-as-of-the-answer',
    file: pages,
    find: 'if (!page.more || last === undefined) return { revision, sentAt };',
    replace: 'if (!page.more || last === undefined) return { revision, sentAt: clock.now() };',
    story:
      'the age of what was read is counted from when it had been read, and not from when it was asked for',
    ...{ killedBy, invariant: 'REPLICA-3' },
  },
];

const fresh: readonly Mutant[] = [
  {
    name: 'replica-proof-as-of-its-answer',
    file: proofs,
    find: 'proved({ revision, storeRevision, sentAt });',
    replace: 'proved({ revision, storeRevision, sentAt: clock.now() });',
    story: 'the same of a proof: all that happened while the answer was on its way is taken to be there',
    ...{ killedBy, invariant: 'REPLICA-3' },
  },
  {
    name: 'replica-proof-not-fulfilled',
    file: freshness,
    find: 'if (proof.revision <= this.#standing) this.#fulfilled(proof);',
    replace: 'if (proof.revision > -1) this.#fulfilled(proof);',
    story:
      'a heartbeat in place of a proof: the server answers, so the replica is called fresh while its watch hangs',
    ...{ killedBy, invariant: 'REPLICA-3' },
  },
  {
    name: 'replica-proof-of-others',
    file: proofs,
    find: 'asking = this.#next;',
    replace: 'asking = this.#current;',
    story: 'single flight: who asks joins a read that was evaluated before he asked',
    ...{ killedBy, invariant: 'REPLICA-3' },
  },
  {
    name: 'replica-synced-when-answered',
    file: 'src/mirror/prefix-mirror.ts',
    find: 'return await this.reach(await waitFor(this.#runtime, asked.answer, left.all(), doing), left.all());',
    replace: 'await waitFor(this.#runtime, asked.answer, left.all(), doing);\n      return this.revision;',
    story: 'sync of ZooKeeper, not waited for: what is read after it is what was there before',
    ...{ killedBy, invariant: 'REPLICA-3, REPLICA-5' },
  },
  {
    name: 'replica-newest-of-what-is-there',
    file: 'src/mirror/stamp.ts',
    find: 'const { kvs, revision: storeRevision } = await store.range({ key }, options);',
    replace: `const entries = key.slice(0, -1);
    const sort = { target: 'mod', order: 'descend' } as const;
    const { kvs, revision: storeRevision } = await store.range({ key: \`\${entries}e/\`, rangeEnd: \`\${entries}e0\`, sort, limit: 1 }, options);`,
    story: 'the newest revision among the keys that are there as the proof: it misses deletions',
    ...{ killedBy, invariant: 'REPLICA-3, REPLICA-5, REPLICA-6' },
  },
  {
    name: 'replica-stamp-forgotten-by-deletions',
    file: writes,
    find: "const success: Op[] = [{ type: 'delete', ...at }, this.#putStamp];",
    replace: "const success: Op[] = [{ type: 'delete', ...at }];",
    story: 'a change that leaves the stamp as it is: the proofs of all replicas pass over it',
    ...{ killedBy, invariant: 'REPLICA-3, REPLICA-5' },
  },
  {
    name: 'replica-age-by-one-clock',
    file: freshness,
    find: 'Math.max(0, this.#clock.ageMs(this.#asOf))',
    replace: 'Math.max(0, this.#clock.now().monotonicMs - this.#asOf.monotonicMs)',
    story: 'an age by the monotonic clock, which stands still while the machine sleeps',
    ...{ killedBy, invariant: 'REPLICA-3' },
  },
];

const mapped: readonly Mutant[] = [
  {
    name: 'map-write-not-waited-for',
    file: writes,
    find: 'if (mirror.revision >= revision) return { revision, shown: true };',
    replace: 'if (revision > 0) return { revision, shown: true };',
    story: 'a write that is answered before its own replica shows it: its caller reads what was before',
    ...{ killedBy, invariant: 'REPLICA-4, REPLICA-5' },
  },
  {
    name: 'map-write-told-to-have-failed',
    file: writes,
    find: 'return { revision, shown: mirror.revision >= revision };',
    replace: `return waitUnlessEnded(
        this.#parts.client.runtime,
        new Promise<MapWrite>(() => {}),
        { timeoutMs: 1, ended: mirror.ended },
        'waiting for the replica to show the write',
      );`,
    story: 'what was applied is told as a timeout, since the cache did not come so far in time',
    ...{ killedBy, invariant: 'REPLICA-4' },
  },
  {
    name: 'map-write-sent-again',
    file: writes,
    find: 'return commitUnder(this.#parts.client, guard, request, left.all());',
    replace: `const send = async (): ReturnType<typeof commitUnder> => {
      try {
        return await this.#parts.client.plainStore.txn(request, left.all());
      } catch (error) {
        if (left.isOver || (error as { outcome?: string }).outcome !== 'unknown') throw error;
        return send();
      }
    };
    return guard === undefined ? send() : commitUnder(this.#parts.client, guard, request, left.all());`,
    story: 'a put whose reply was lost is sent again, and comes after what others have written since',
    ...{ killedBy, invariant: 'REPLICA-4' },
  },
  {
    name: 'map-update-without-compare',
    file: writes,
    find: "compare: seen.map(({ key, revision }) => compare.mod({ key }, 'equal', revision)),",
    replace: 'compare: [],',
    story: 'read from the cache, change, put: of updates of two processes one is lost',
    ...{ killedBy, invariant: 'REPLICA-5' },
  },
  {
    name: 'map-update-decided-by-the-cache',
    file: updates,
    find: 'if (!isToBeWritten && !(isFresh && draft.holds)) {',
    replace: "if ('failure' in ran && !(isFresh && draft.holds)) {",
    story: 'nothing to be done, says a process by what it remembers',
    ...{ killedBy, invariant: 'REPLICA-5' },
  },
  {
    name: 'map-last-good-value-dropped',
    file: 'src/config/replicated-map/kept.ts',
    find: '...{ name, entry: before?.entry },',
    replace: '...{ name, entry: undefined },',
    story: 'a value that cannot be read takes the good one away from all who read it',
    ...{ killedBy, invariant: 'REPLICA-6' },
  },
  {
    name: 'map-follower-loses-the-oldest',
    file: buffer,
    find: `    const merged = new Map<K, MapChange<K, V>>();
    for (const unread of this.#batches) this.#merge(merged, unread);
    this.#merged = merged;
    this.#batches = [];`,
    replace: '    this.#count -= this.#batches.shift()?.changes.length ?? 0;',
    story: 'a bounded buffer that drops the oldest, and says nothing',
    ...{ killedBy, invariant: 'REPLICA-2' },
  },
  {
    name: 'map-follower-newest-first',
    file: buffer,
    find: 'const batch = this.#batches.shift();',
    replace: 'const batch = this.#batches.pop();',
    story: 'changes that wait are told in another order than they came in',
    ...{ killedBy, invariant: 'REPLICA-2' },
  },
  {
    name: 'map-follower-told-from-the-last',
    file: buffer,
    find: 'const previous = before === undefined ? change.previous : before.previous;',
    replace: 'const { previous } = change;',
    story: 'changes put together to one, which begins at what its reader was never told',
    ...{ killedBy, invariant: 'REPLICA-2' },
  },
  {
    name: 'map-unreadable-gone-untold',
    file: 'src/config/replicated-map/table.ts',
    find: 'changes.push(unreadable === undefined ? change : { ...change, unreadable });',
    replace: `if (unreadable !== undefined) changes.push({ ...change, unreadable });
      else if (change.previous !== undefined || change.current !== undefined) changes.push(change);`,
    story: 'what could not be read was told, and that it is gone is not: an alarm that never ends',
    ...{ killedBy, invariant: 'REPLICA-2' },
  },
  {
    name: 'map-follower-not-told-that-it-is-gone',
    file: buffer,
    find: 'const wasThere = previous !== undefined || this.#toldUnreadable.has(key);',
    replace: 'const wasThere = previous !== undefined;',
    story: 'the same of changes put together to one, for a reader who was told that it stood there',
    ...{ killedBy, invariant: 'REPLICA-2' },
  },
];

export const replicaMutants: readonly Mutant[] = [...followed, ...loading, ...fresh, ...mapped];
