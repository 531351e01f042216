/** Bugs of logs and consumer groups. */
import type { Mutant } from './mutant.js';

const pipeline = 'src/pubsub/topic/publishing/publish-pipeline.ts';
const publisher = 'src/pubsub/topic/publishing/publisher.ts';
const frameName = 'src/pubsub/topic/frame-name.ts';
const pages = 'src/pubsub/topic/reading/log-pages.ts';
const tail = 'src/pubsub/topic/reading/tail.ts';
const reader = 'src/pubsub/topic/reading/partition-reader.ts';
const progress = 'src/pubsub/topic/group/progress.ts';
const writer = 'src/pubsub/topic/group/cursor-writer.ts';
const work = 'src/pubsub/topic/group/partition-work.ts';
const claims = 'src/pubsub/topic/group/claims.ts';
const keeper = 'src/pubsub/topic/retention/keeper.ts';
const excess = 'src/pubsub/topic/retention/excess.ts';

export const topicMutants: readonly Mutant[] = [
  {
    name: 'topic-published-without-lane',
    file: publisher,
    find: 'const lane = await this.#retrying(() => store.openLane());',
    replace: `const plain = this.#client.plainStore;
    const lane: Lane = {
      txn: (request, options) => this.#retrying(() => plain.txn(request, options)),
      close: async () => {},
    };`,
    story: 'a producer without idempotence, as Kafka had them: what was put is sent again after a lost reply',
    ...{ killedBy: 'topic', invariant: 'TOPIC-1, TOPIC-2, TOPIC-8' },
  },
  {
    name: 'topic-put-into-closed-segment',
    file: pipeline,
    find: "compare: [compare.mod(this.#keys.head, 'equal', mod)],",
    replace: "compare: [compare.create(this.#keys.head, 'greater', 0)],",
    story: 'the guard of the head is lost: a publisher that paused puts where readers have passed',
    ...{ killedBy: 'topic', invariant: 'TOPIC-2' },
  },
  {
    name: 'topic-keyless-turn-for-keys',
    file: pipeline,
    find: 'const partition = draft.partition ?? this.#turn;',
    replace: 'const partition = this.#turn;',
    story: 'messages go round all partitions whatever their keys: each partition is in order, and no key is',
    ...{ killedBy: 'topic', invariant: 'TOPIC-2' },
  },
  {
    name: 'topic-listed-in-key-order',
    file: frameName,
    find: 'one.revision - other.revision || (one.key < other.key ? -1 : 1)',
    replace: 'one.key < other.key ? -1 : 1',
    story: 'npm etcd3 and most clients sort by key unless told otherwise: publishers overtake each other',
    ...{ killedBy: 'topic', invariant: 'TOPIC-3, TOPIC-4, TOPIC-5, TOPIC-6, TOPIC-8, TOPIC-9' },
  },
  {
    name: 'topic-read-on-from-now',
    file: tail,
    find: '        this.#coveredFrom = item.revision;',
    replace: '        this.#coveredFrom = 0;',
    story: 'a watch that reconnects goes on with what comes next: what was put meanwhile is never handed out',
    ...{ killedBy: 'topic', invariant: 'TOPIC-3, TOPIC-4, TOPIC-5, not live' },
  },
  {
    name: 'topic-last-revision-read-again',
    file: reader,
    find: 'const first = revision === this.#after.revision ? this.#after.index + 1 : 0;',
    replace: 'const first = 0;',
    story:
      'a cursor that knows revisions only: a batch that was dealt with by half is handed out again whole',
    ...{ killedBy: 'topic', invariant: 'TOPIC-6, TOPIC-9' },
  },
  {
    name: 'topic-gap-hidden-from-reader',
    file: pages,
    find: 'if (removal.upTo <= this.#through) continue;',
    replace: 'if (removal.upTo >= 0) continue;',
    story:
      'NATS JetStream, Kafka with auto.offset.reset: a reader behind retention goes on with the oldest there is, and says nothing',
    ...{ killedBy: 'topic', invariant: 'TOPIC-3, TOPIC-4, TOPIC-5, TOPIC-9, not live' },
  },
  {
    name: 'topic-gap-counts-what-was-read',
    file: reader,
    find: 'const missing = this.#count === undefined ? undefined : messages - this.#count;',
    replace: 'const missing = this.#count === undefined ? undefined : messages;',
    story: 'all that was ever removed is told as missed',
    ...{ killedBy: 'topic', invariant: 'TOPIC-9' },
  },
  {
    name: 'topic-gap-less-all-that-was-done',
    file: progress,
    find: 'doneBetween(this.#loaded, gap.after, gap.toRevision)',
    replace: 'doneBetween(this.#loaded, { revision: 0, index: -1 }, gap.toRevision)',
    story:
      'what was done above the cursor is left out of every gap, also where this owner had passed it before: a gap is too small, or not told',
    ...{ killedBy: 'topic', invariant: 'TOPIC-9, TOPIC-5' },
  },
  {
    name: 'topic-gap-with-what-was-done',
    file: progress,
    find: 'gap.messages - doneBetween(this.#loaded, gap.after, gap.toRevision)',
    replace: 'gap.messages',
    story: 'what was acknowledged above the cursor, and removed since, is told as missed',
    ...{ killedBy: 'topic', invariant: 'TOPIC-9' },
  },
  {
    name: 'topic-cursor-at-highest',
    file: progress,
    find: '    entry.isDone = true;\n    this.#pass();',
    replace: `    for (const step of this.#steps) {
      if (step.entry !== undefined) step.entry.isDone = true;
      if (step.entry === entry) break;
    }
    this.#pass();`,
    story:
      'Kafka consumers with workers that commit the highest offset: what others still work on is lost with them',
    ...{ killedBy: 'topic', invariant: 'TOPIC-5' },
  },
  {
    name: 'topic-done-above-forgotten',
    file: progress,
    find: 'if (entry.isDone) extend(done, revision, index);',
    replace: 'if (entry.isDone) continue;',
    story: 'only the contiguous part is stored: what was acknowledged above it comes again after a rebalance',
    ...{ killedBy: 'topic', invariant: 'TOPIC-6' },
  },
  {
    name: 'topic-taken-over-from-the-living',
    file: claims,
    find: "compare.create(owner, 'equal', 0), ",
    replace: '',
    story: 'a partition is taken as soon as the plan says so, from an owner who still works on it',
    ...{ killedBy: 'topic', invariant: 'TOPIC-7' },
  },
  {
    name: 'topic-cursor-without-owner',
    file: writer,
    find: "        compare.create(this.#ownerKey, 'equal', this.#term),\n",
    replace: '',
    story: 'an owner that paused past its lease moves the cursor when it is not its own any more',
    ...{ killedBy: 'topic', invariant: 'TOPIC-7' },
  },
  {
    name: 'topic-cursor-over-seek',
    file: writer,
    find: "        compare.mod(this.#cursorKey, 'equal', this.#mod),\n",
    replace: '',
    story:
      'Kafka refuses to reset offsets of an active group, since the next commit would undo it: here it does',
    ...{ killedBy: 'topic', invariant: 'TOPIC-7, TOPIC-6' },
  },
  {
    name: 'topic-acknowledged-before-stored',
    file: work,
    find: '    this.#begin();\n    await written;',
    replace: '    this.#begin();\n    written.catch(() => {});',
    story: 'auto-commit: who acknowledges is told so before the store knows',
    ...{ killedBy: 'topic', invariant: 'TOPIC-6' },
  },
  {
    name: 'topic-key-free-at-failure',
    file: work,
    find: '      this.#tryLater(entry);\n',
    replace: '      this.#tryLater(entry);\n      this.#queue.finish(entry);\n',
    story:
      'retry topics: a message that failed comes again later, and those behind it of its key have passed',
    ...{ killedBy: 'topic', invariant: 'TOPIC-4' },
  },
  {
    name: 'topic-passed-before-put-aside',
    file: work,
    find: 'const written = this.#writer.write({ op, apply: () => this.#progress.finish(entry) });',
    replace: `this.#progress.finish(entry);
    const written = this.#writer.write({ op, apply: () => {} });`,
    story:
      'the cursor passes what was given up before that is among the dead letters: a crash between loses it',
    ...{ killedBy: 'topic', invariant: 'TOPIC-5' },
  },
  {
    name: 'topic-removed-and-not-told',
    file: keeper,
    find: 'success: [...gone, put(key, encodeRemoval(removal))],',
    replace:
      'success: before.removal.upTo > 0 && frames.length < 2 ? [...gone] : [...gone, put(key, encodeRemoval(removal))],',
    story: 'retention deletes in one write and notes it in another, or not at all',
    ...{ killedBy: 'topic', invariant: 'TOPIC-8' },
  },
  {
    name: 'topic-removed-too-much',
    file: excess,
    find: '(maxMessages !== undefined && left >= maxMessages)',
    replace: '(maxMessages !== undefined && messages > maxMessages)',
    story: 'the batch that crosses the limit goes whole: less is left than was promised',
    ...{ killedBy: 'topic', invariant: 'TOPIC-8' },
  },
];
