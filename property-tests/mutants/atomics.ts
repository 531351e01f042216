/** Bugs of values, counters and ids that many processes change. */
import type { Mutant } from './mutant.js';

const value = 'src/atomics/value/atomic-value.ts';
const updates = 'src/atomics/value/updates.ts';
const changes = 'src/atomics/value/changes.ts';
const sharedNumber = 'src/atomics/counter/shared-number.ts';
const ids = 'src/atomics/ids/id-allocator.ts';

const valueMutants: readonly Mutant[] = [
  {
    name: 'update-without-compare',
    file: updates,
    find: "compare: [compare.mod(key, 'equal', seen.mod)],",
    replace: 'compare: [],',
    story: 'GET, then SET, as counters and carts on caches are changed: of two at a time one is lost',
    ...{ killedBy: 'value', invariant: 'VALUE-3' },
  },
  {
    name: 'update-if-nothing-is-newer',
    file: updates,
    find: "compare: [compare.mod(key, 'equal', seen.mod)],",
    replace: "compare: [compare.mod(key, 'less', seen.mod + 1)],",
    story: 'what was deleted compares as older than everything: it comes back, made from what it was before',
    ...{ killedBy: 'value', invariant: 'VALUE-3' },
  },
  {
    name: 'swap-looks-then-writes',
    file: value,
    find: 'const request = { compare: asExpected, success: [change], failure: [get(this.key)] };',
    replace: `const look = { compare: asExpected, success: [], failure: [get(this.key)] };
    const seen = await this.#client.store.txn(look, left.all());
    if (!seen.succeeded) return { succeeded: false, found: await this.#versioned(keyIn(seen)) };
    const request = { compare: [] as Compare[], success: [change], failure: [get(this.key)] };`,
    story: 'check, then act: what comes between the two is overwritten',
    ...{ killedBy: 'value', invariant: 'VALUE-3, VALUE-1' },
  },
  {
    name: 'set-again-while-unknown',
    file: value,
    find: 'return (await commitUnder(this.#client, options.guard, request, left.all())).revision;',
    replace: `const plain = { store: this.#client.plainStore } as unknown as Client;
    for (;;) {
      try {
        return (await commitUnder(plain, options.guard, request, left.all())).revision;
      } catch (error) {
        if ((error as { outcome?: string }).outcome !== 'unknown') throw error;
      }
    }`,
    story:
      'npm etcd3 and most clients: a put whose reply was lost is sent again, and the first one arrives after others',
    ...{ killedBy: 'value', invariant: 'VALUE-2' },
  },
  {
    name: 'guard-checked-here-only',
    file: 'src/guard/commit-under.ts',
    find: 'if (guard === undefined) return client.store.txn(request, options);',
    replace: `if (guard === undefined || 'assertLive' in guard) {
    if (guard !== undefined) new Guards().add(guard);
    return client.store.txn(request, options);
  }`,
    story: 'the process looks whether its session lives, stands still, and writes when it is over',
    ...{ killedBy: 'value', invariant: 'VALUE-6' },
  },
  {
    name: 'refusal-from-memory',
    file: value,
    find: 'return { succeeded: false, found: await this.#versioned(keyIn(reply)) };',
    replace: `const { known } = this.#follower;
    const kv = known.status === 'present' ? known.kv : keyIn(reply);
    return { succeeded: false, found: await this.#versioned(kv) };`,
    story: 'a near cache: who is refused is told what a watch has shown last, which may be behind',
    ...{ killedBy: 'value', invariant: 'VALUE-1' },
  },
  {
    name: 'read-from-any-member',
    file: value,
    find: 'const { kvs } = await this.#client.store.range({ key: this.key }, left.all());',
    replace:
      'const { kvs } = await this.#client.store.range({ key: this.key, serializable: true }, left.all());',
    story:
      'a serializable read of etcd, or one of ZooKeeper without sync: a member that is behind answers from the past',
    ...{ killedBy: 'value', invariant: 'VALUE-1' },
  },
  {
    name: 'news-dropped-with-the-old',
    file: 'src/watch/conflated.ts',
    find: '      yield view;\n',
    replace: '      yield view;\n      news = undefined;\n',
    story:
      'a watcher that clears its flag after it has dealt with the news: what came meanwhile is never told',
    ...{ killedBy: 'value', invariant: 'not live, VALUE-4' },
  },
  {
    name: 'watched-as-of-the-look',
    file: 'src/atomics/value/latest.ts',
    find: "{ status: 'present', ...read };",
    replace: "{ status: 'present', ...read, revision: fact.revision };",
    story: 'a list and its resource version: what was read is told as written at the revision of the read',
    ...{ killedBy: 'value', invariant: 'VALUE-4' },
  },
  {
    name: 'changes-from-what-was-told',
    file: changes,
    find: 'const fromRevision: number = (told ?? 0) + 1;',
    replace: 'const fromRevision: number = told ?? 0;',
    story: 'a reader that goes on at the last revision that it dealt with, and deals with it again',
    ...{ killedBy: 'value', invariant: 'VALUE-5' },
  },
  {
    name: 'changes-resumed-from-now',
    file: changes,
    find: 'client.store.watch({ key, fromRevision })',
    replace: "client.store.watch({ key, fromRevision, resume: 'now' })",
    story:
      'npm etcd3: a watch that reconnects goes on with what comes next, and says nothing of what it missed',
    ...{ killedBy: 'value', invariant: 'VALUE-5, not live' },
  },
  {
    name: 'gap-untold',
    file: changes,
    find: "yield { type: 'gap', fromRevision: (told ?? 0) + 1, toRevision };",
    replace: '',
    story: 'a watch that begins anew after a compaction as if nothing were missing',
    ...{ killedBy: 'value', invariant: 'VALUE-5' },
  },
  {
    name: 'gap-to-the-state-of-now',
    file: changes,
    find: 'stateOf = toRevision;',
    replace: 'stateOf = 0;',
    story:
      'a list and a watch after a compaction: what changed between it and the list is neither told nor said to be missing',
    ...{ killedBy: 'value', invariant: 'VALUE-5' },
  },
];

const counterMutants: readonly Mutant[] = [
  {
    name: 'count-put-without-compare',
    file: sharedNumber,
    find: "compare: [compare.mod(this.#key, 'equal', seen.mod)],",
    replace: 'compare: [],',
    story: 'read, add, put: of additions of two processes one is lost',
    ...{ killedBy: 'counter', invariant: 'COUNTER-1' },
  },
  {
    name: 'count-added-again',
    file: sharedNumber,
    find: 'const { succeeded, revision, replies } = await this.#client.store.txn(request, options);',
    replace: `const send = async (): ReturnType<typeof this.#client.store.txn> => {
      try {
        return await this.#client.plainStore.txn(request, { signal });
      } catch (error) {
        if (signal.aborted || (error as { outcome?: string }).outcome !== 'unknown') throw error;
        return send();
      }
    };
    const { succeeded, revision, replies } = await send();`,
    story:
      "etcd's STM, Curator's DistributedAtomicLong: a compare-and-set whose reply was lost is tried again, is refused by itself, and counts once more",
    ...{ killedBy: 'counter', invariant: 'COUNTER-1' },
  },
  {
    name: 'count-of-the-end-for-all',
    file: sharedNumber,
    find: 'answers.push(() => call.resolve(answer));',
    replace: "answers.push(() => call.resolve(typeof answer === 'number' ? count : answer));",
    story:
      'additions that travel together are all told the sum: of a hundred who draw a number all have the last',
    ...{ killedBy: 'counter', invariant: 'COUNTER-1' },
  },
  {
    name: 'count-refused-from-memory',
    file: sharedNumber,
    find: 'if (isFresh) return settle(answers);',
    replace: 'return settle(answers);',
    story: 'sold out, says a process that has not looked since the stock was filled up',
    ...{ killedBy: 'counter', invariant: 'COUNTER-1' },
  },
  {
    name: 'count-given-up-as-unsent',
    file: 'src/atomics/counter/waiting-call.ts',
    find: "if (this.#state === 'waiting') this.#state = 'sent';",
    replace: '',
    story: 'a timeout that is told as a failure: the caller tries again, and it counts twice',
    ...{ killedBy: 'counter', invariant: 'COUNTER-1' },
  },
  {
    name: 'count-in-line-as-unsent',
    file: sharedNumber,
    find: 'for (const call of taken) call.markSent();',
    replace: '',
    story: 'the same of one whose turn in the line has come: it gives up, and is counted',
    ...{ killedBy: 'counter', invariant: 'COUNTER-1' },
  },
  {
    name: 'counts-side-by-side',
    file: sharedNumber,
    find: 'const { next, answer } = call.op(count);',
    replace: 'const { next, answer } = call.op(from);',
    story: 'calls that travel together each add to what was before all of them',
    ...{ killedBy: 'counter', invariant: 'COUNTER-1' },
  },
  {
    name: 'count-below-its-bound',
    file: 'src/atomics/counter/number-op.ts',
    find: 'if (next >= min && next <= max) return;',
    replace: 'if ((count > min || next > count) && next <= max) return;',
    story: 'oversold: whether there is stock is asked, and not whether there is as much as is taken',
    ...{ killedBy: 'counter', invariant: 'COUNTER-2, COUNTER-1' },
  },
];

const idMutants: readonly Mutant[] = [
  {
    name: 'block-read-then-put',
    file: ids,
    find: "const block = await this.#number.change(reserve, options, 'reserving ids');",
    replace: `const { next, answer: block } = reserve(await this.#number.get({}, 'reserving ids'));
    const value = new TextEncoder().encode(String(next));
    await this.#client.store.txn({ compare: [], success: [{ type: 'put', key: this.key, value }], failure: [] });`,
    story: 'hi/lo on a table without a lock: two processes read one number, and give out the same block',
    ...{ killedBy: 'ids', invariant: 'IDS-1' },
  },
  {
    name: 'block-one-too-long',
    file: ids,
    find: 'return { next: to + 1, answer: { from, to } };',
    replace: 'return { next: to, answer: { from, to } };',
    story: 'the end of a range that one side takes as included and the other does not',
    ...{ killedBy: 'ids', invariant: 'IDS-1, IDS-3' },
  },
  {
    name: 'newest-block-first',
    file: 'src/atomics/ids/blocks.ts',
    find: 'const block = this.#further.shift();',
    replace: 'const block = this.#further.pop();',
    story: 'blocks that were fetched ahead are used as they come, and ids go back',
    ...{ killedBy: 'ids', invariant: 'IDS-2' },
  },
  {
    name: 'id-past-who-waits',
    file: ids,
    find: 'const id = this.#waiting.wanted > 0 ? undefined : this.#blocks.take();',
    replace: 'const id = this.#blocks.take();',
    story: 'who comes as the block arrives takes the id of one who has waited for it',
    ...{ killedBy: 'ids', invariant: 'IDS-2' },
  },
];

export const atomicsMutants: readonly Mutant[] = [...valueMutants, ...counterMutants, ...idMutants];
