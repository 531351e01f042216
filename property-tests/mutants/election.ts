/** Bugs of elections: those of others, as our protocol could have them, and those that were our own. */
import type { Mutant } from './mutant.js';

const election = 'src/election/election.ts';
const leadership = 'src/election/leadership.ts';
const observe = 'src/election/observe.ts';
const follower = 'src/watch/fact-follower.ts';
const line = 'src/line/line.ts';
const leaving = 'src/line/leaving.ts';
const killedBy = 'election';

const wins: readonly Mutant[] = [
  {
    name: 'election-win-without-guard',
    file: election,
    find: "compare: [place.guard(), compare.create(this.#line.range, 'greater', place.revision - 1)],",
    replace: 'compare: [],',
    story: 'etcd Go Campaign: success with no lease and no key, since nobody looks after the wait',
    ...{ killedBy, invariant: 'ELECTION-1' },
  },
  {
    name: 'election-win-with-the-place',
    file: line,
    find: "? [nested({ compare: [compare.create(this.range, 'equal', 0)], success: ifAlone })]",
    replace: '? [nested({ compare: [], success: ifAlone })]',
    story: 'microsoft/etcd3 #158: two leaders, since who comes takes itself for the first',
    ...{ killedBy, invariant: 'ELECTION-1, ELECTION-6' },
  },
  {
    name: 'election-term-of-the-place',
    file: election,
    find: 'term: fencingToken(won.revision, 0),',
    replace: 'term: fencingToken(place.revision, 0),',
    story:
      'etcd Go Election: Header() after Campaign, and the create revision, are of the enqueue, not of the win',
    ...{ killedBy, invariant: 'ELECTION-1, ELECTION-5' },
  },
  {
    name: 'election-checkpoint-before-the-turn',
    file: election,
    find: `    await waitFor(this.#client.runtime, place.turn, { signal }, 'waiting for the election');
    if (place.key !== candidate) return this.#wonByHandOver(place);
    const request = {
      compare: [place.guard(), compare.create(this.#line.range, 'greater', place.revision - 1)],
      success: winning,
      failure: [],
    };
    const options = { signal: place.session.signal, timeoutMs: Number.POSITIVE_INFINITY };
    for (;;) {
      try {
        const reply = await this.#client.store.txn(request, options);
        if (reply.succeeded) return reply;`,
    replace: `    const early = await this.#client.store.range({ key: this.#stateKey });
    await waitFor(this.#client.runtime, place.turn, { signal }, 'waiting for the election');
    if (place.key !== candidate) return this.#wonByHandOver(place);
    const request = {
      compare: [place.guard(), compare.create(this.#line.range, 'greater', place.revision - 1)],
      success: winning,
      failure: [],
    };
    const options = { signal: place.session.signal, timeoutMs: Number.POSITIVE_INFINITY };
    for (;;) {
      try {
        const reply = await this.#client.store.txn(request, options);
        if (reply.succeeded)
          return { ...reply, replies: [reply.replies[0] as OpReply, { type: 'range' as const, ...early }] };`,
    story:
      'druid on Curator (#16528): the state is read beside the election, and an earlier leader writes after that',
    ...{ killedBy, invariant: 'ELECTION-4' },
  },
  {
    name: 'election-withdrawal-forgotten',
    file: election,
    find: `      withdraw.abort(error);
      attempt.then((leadership) => leadership.resign()).catch(() => {});`,
    replace: '      attempt.catch(() => {});',
    story:
      'etcd Go #21128, Curator #600, kazoo #412: who gave up is left in the line, wins, and nobody leads',
    ...{ killedBy, invariant: 'not live, LOCK-4' },
  },
];

const terms: readonly Mutant[] = [
  {
    name: 'election-writes-unguarded',
    file: 'src/line/fenced-writes.ts',
    find: 'compare: this.#place.guards(), success: [nested(request)]',
    replace: 'compare: [], success: [nested(request)]',
    story: 'kubernetes #44887: client-go does not fence what a leader does',
    ...{ killedBy, invariant: 'ELECTION-5' },
  },
  {
    name: 'election-proclaims-unguarded',
    file: leadership,
    find: 'await this.txn({ success: [put(leaderKey, record, { lease: place.session.leaseId })] }, options);',
    replace: `const success = [put(leaderKey, record, { lease: place.session.leaseId })];
    await client.store.txn({ compare: [], success, failure: [] }, options);`,
    story: 'Redis and Consul recipes: a deposed leader puts its name over its successor',
    ...{ killedBy, invariant: 'ELECTION-5' },
  },
  {
    name: 'election-resigns-for-another',
    file: leaving,
    find: 'compare: place.guards(), success: [remove(first.key), ...alongside], failure: [] };',
    replace: 'compare: [], success: [remove(first.key), ...alongside], failure: [] };',
    story: 'etcd Go Mutex.Unlock, Redlock: an unconditional delete by who has lost the lease long ago',
    ...{ killedBy, invariant: 'ELECTION-5' },
  },
  {
    name: 'election-handed-without-a-word',
    file: 'src/election/leadership.ts',
    find: 'writes: this.#writes, to, alongside });',
    replace: 'writes: this.#writes, to });',
    story: 'a leader hands its place on and leaves its own name as that of who leads',
    ...{ killedBy, invariant: 'ELECTION-1, ELECTION-3, ELECTION-5' },
  },
  {
    name: 'election-clears-another',
    file: 'src/election/clear-leader.ts',
    find: 'compare: [own]',
    replace: 'compare: own === undefined ? [own] : []',
    story: 'Redisson and Redis locks: compare, then delete, in two steps',
    ...{ killedBy, invariant: 'ELECTION-5' },
  },
  {
    name: 'election-clears-nothing',
    file: 'src/election/clear-leader.ts',
    find: 'while (!signal.aborted) {',
    replace: 'while (session.isLive() && leaderKey === place) {',
    story: 'our own, found by this property; etcd #11007, #12334: a phantom leader, named long after it led',
    ...{ killedBy, invariant: 'ELECTION-3' },
  },
  {
    name: 'election-leader-without-lease',
    file: election,
    find: 'put(this.#leaderKey, record, { lease })',
    replace: "put(this.#leaderKey, record, lease === '' ? { lease } : {})",
    story: 'mailgun/holster #38, cagriekin/charts #326: a dead leader that is named for hours',
    ...{ killedBy, invariant: 'ELECTION-3' },
  },
  {
    name: 'election-leads-whatever-the-clock',
    file: leadership,
    find: "place.state.status === 'admitted' && place.session.isLive();",
    replace: "place.state.status === 'admitted';",
    story: 'client-go IsLeader: compares what was last observed and ignores time',
    ...{ killedBy, invariant: 'ELECTION-6' },
  },
  {
    name: 'election-won-whatever-the-clock',
    file: election,
    find: `        await session.settled();
        if (place.state.status === 'gone') throw place.state.error;
        session.assertLive();`,
    replace: `        if (place.state.status === 'gone') throw place.state.error;`,
    story:
      'our own, found by this property: a term begun by a reply that a sleeping machine has kept waiting',
    ...{ killedBy, invariant: 'ELECTION-6' },
  },
  {
    name: 'election-deaf-to-its-session',
    file: leadership,
    find: `    this.#offGone = options.place.onGone((error) => {
`,
    replace: `    this.#offGone = options.place.onGone((error) => {
      if (error.code === 'session-lost') return;
`,
    story: 'npm etcd3 #13, curator #1137: the loss of the lease is not told to who leads',
    ...{ killedBy, invariant: 'ELECTION-6' },
  },
  {
    name: 'election-loss-untold',
    file: election,
    find: 'if (!(await wasLost(leadership))) return result;',
    replace: 'return result;',
    story: 'client-go Run: work that went on beyond its lease is told to have gone well',
    ...{ killedBy },
  },
];

const observers: readonly Mutant[] = [
  {
    name: 'observer-goes-back',
    file: follower,
    find: '    if (revision < this.#asOf) return;\n',
    replace: '',
    story: 'client-go observed record, curator getLeader: an older answer, come late, is believed',
    ...{ killedBy, invariant: 'ELECTION-3' },
  },
  {
    name: 'observer-deaf-after-a-cut',
    file: follower,
    find: `if (this.#state === undefined || item.revision > this.#asOf) this.#look();
        else if (!this.#isKnown) this.#tell(this.#state);`,
    replace: 'if (this.#reason === unread) this.#look();',
    story: 'etcd Go Observe, naming resolver: after a cut or a compaction it stays at what it knew',
    ...{ killedBy, invariant: 'ELECTION-3' },
  },
  {
    name: 'observer-silence-is-the-same-leader',
    file: observe,
    find: "if (fact.status === 'unknown') return { status: 'unknown', reason: fact.reason };",
    replace: "if (fact.status === 'unknown') return undefined as never;",
    story: 'etcd Go Observe: no word of being cut off, and the last leader stands as long as that lasts',
    ...{ killedBy, invariant: 'ELECTION-3' },
  },
  {
    name: 'observer-of-puts-alone',
    file: follower,
    find: "for (const { type, kv } of item.events) this.#see(type === 'put' ? kv : undefined, kv.modRevision);",
    replace: "for (const { type, kv } of item.events) if (type === 'put') this.#see(kv, kv.modRevision);",
    story: 'etcd Go Observe: silent after the only leader has resigned',
    ...{ killedBy, invariant: 'ELECTION-3' },
  },
];

export const electionMutants: readonly Mutant[] = [...wins, ...terms, ...observers];
