/** Bugs of channels: of those that publish, and of those that are told. */
import type { Mutant } from './mutant.js';

const publisher = 'src/pubsub/channel/publisher.ts';
const feed = 'src/pubsub/channel/feed.ts';
const history = 'src/pubsub/channel/history.ts';
const subscriber = 'src/pubsub/channel/subscriber.ts';
const reader = 'src/pubsub/channel/frame-reader.ts';
const compaction = 'src/pubsub/channel/after-compaction.ts';

const publishing: readonly Mutant[] = [
  {
    name: 'channel-published-again-while-unknown',
    file: publisher,
    find: `reply = await (first?.guard === undefined
        ? this.#client.store.txn(request, limits)
        : commitUnder(this.#client, first.guard, request, limits));`,
    replace: `const plain = { store: this.#client.plainStore } as unknown as Client;
      for (;;) {
        try {
          reply = await commitUnder(plain, first?.guard, request, limits);
          break;
        } catch (error) {
          if ((error as { outcome?: string }).outcome !== 'unknown') throw error;
        }
      }`,
    story:
      'clients of Redis and most brokers: what was sent and not answered is sent again, and is there twice',
    ...{ killedBy: 'channel', invariant: 'CHANNEL-1, CHANNEL-2' },
  },
  {
    name: 'channel-given-up-is-not-applied',
    file: 'src/pubsub/channel/submission.ts',
    find: "return this.#state === 'sent' ? 'unknown' : 'not-applied';",
    replace: "return 'not-applied';",
    story: 'a call that was given up is told that nothing happened, and its message comes all the same',
    ...{ killedBy: 'channel', invariant: 'CHANNEL-1' },
  },
  {
    name: 'channel-last-called-first-sent',
    file: publisher,
    find: 'frame.push(submission);',
    replace: 'frame.unshift(submission);',
    story: 'what waits is a stack: messages of one publisher overtake each other',
    ...{ killedBy: 'channel', invariant: 'CHANNEL-2' },
  },
  {
    name: 'channel-two-frames-in-flight',
    file: publisher,
    find: 'await this.#send(frame);',
    replace: 'void this.#send(frame);',
    story: 'pipelining over several lanes: the frame whose request was lost comes after the next one',
    ...{ killedBy: 'channel', invariant: 'CHANNEL-2' },
  },
  {
    name: 'channel-guarded-by-the-first',
    file: publisher,
    find: 'if (frame.length > 0 && (!fits || submission.guard !== first.guard)) break;',
    replace: 'if (frame.length > 0 && !fits) break;',
    story:
      'who travels together is under the guard of the first, and what was to be under another is under none',
    ...{ killedBy: 'channel', invariant: 'CHANNEL-7' },
  },
];

const telling: readonly Mutant[] = [
  {
    name: 'channel-reopened-from-now',
    file: feed,
    find: 'this.#watch = client.store.watch({ ...range, ...start });',
    replace: "this.#watch = client.store.watch({ ...range, ...start, resume: 'now' });",
    story: 'Redis and NATS: who was cut off subscribes anew, and is told nothing of what came meanwhile',
    ...{ killedBy: 'channel', invariant: 'CHANNEL-3, CHANNEL-4, not live' },
  },
  {
    name: 'channel-resumed-at-the-header',
    file: history,
    find: '} else continue;',
    replace: `} else {
          if (item.type === 'opened') told = item.revision;
          continue;
        }`,
    story:
      "npm etcd3's watcher resumes at the header's revision, that of the store and not of what was delivered",
    ...{ killedBy: 'channel', invariant: 'CHANNEL-3, CHANNEL-4' },
  },
  {
    name: 'channel-begun-one-too-late',
    file: feed,
    find: 'this.#revision = item.revision;\n        this.tail.floor = item.revision;',
    replace: 'this.#revision = item.revision + 1;\n        this.tail.floor = item.revision + 1;',
    story: 'the next revision of the store is taken for one that was seen',
    ...{ killedBy: 'channel', invariant: 'CHANNEL-5, CHANNEL-3' },
  },
  {
    name: 'channel-frame-is-done-with-its-first',
    file: reader,
    find: 'if (item.revision !== revision || index === undefined) return item.revision <= revision;',
    replace: 'if (item.revision !== revision || index !== null) return item.revision <= revision;',
    story: 'cursors that count revisions: who stopped within a frame never sees the rest of it',
    ...{ killedBy: 'channel', invariant: 'CHANNEL-3' },
  },
  {
    name: 'channel-frame-begins-anew',
    file: history,
    find: 'yield { items: after(position, batch).items, revision: upTo() };',
    replace: 'after(position, batch);\n        yield { items: batch.items, revision: upTo() };',
    story: 'at-least-once: who stopped within a frame is told all of it again',
    ...{ killedBy: 'channel', invariant: 'CHANNEL-3' },
  },
  {
    name: 'channel-dropped-without-a-word',
    file: subscriber,
    find: 'this.#drop(this.#own(item));',
    replace: '',
    story: 'Redis, NATS core, ZeroMQ: what a slow reader has no room for is gone, and nobody says so',
    ...{ killedBy: 'channel', invariant: 'CHANNEL-3' },
  },
  {
    name: 'channel-drops-counted-but-not-told-where',
    file: subscriber,
    find: '    this.#dropped.last = item;\n',
    replace: '',
    story: 'a gap of so many messages, that ends with the first of them',
    ...{ killedBy: 'channel', invariant: 'CHANNEL-4' },
  },
  {
    name: 'channel-compacted-without-a-word',
    file: compaction,
    find: "return { items: [gapOf('compacted', taken, channel)], weights: [0] };",
    replace: 'return { items: [], weights: [] };',
    story: "etcd's own Go example: after ErrCompacted the watch goes on from the compacted revision",
    ...{ killedBy: 'channel', invariant: 'CHANNEL-3' },
  },
  {
    name: 'channel-survivor-taken-for-all',
    file: compaction,
    find: 'kvs.every((kv) => continuity.isNext(kv))',
    replace: 'kvs.length >= 0',
    story: 'after compaction the state is read and told as if it were the history',
    ...{ killedBy: 'channel', invariant: 'CHANNEL-3, CHANNEL-4' },
  },
  {
    name: 'channel-gap-after-every-compaction',
    file: compaction,
    find: 'const isWhole = survivors.isOrdered && !wasDeleted &&',
    replace: 'const isWhole = fromRevision < 0 && !wasDeleted &&',
    story:
      'a gap is told whenever history was compacted, whether anything is missing or not: all reload for nothing',
    ...{ killedBy: 'channel', invariant: 'CHANNEL-4' },
  },
  {
    name: 'channel-gap-taken-for-told',
    file: reader,
    find: "if (item.type === 'gap') return false;",
    replace: "if (item.type === 'gap') return item.revision <= revision;",
    story: 'what is missing of a revision of which a part was told is left out as if that had been told too',
    ...{ killedBy: 'channel', invariant: 'CHANNEL-3, CHANNEL-4' },
  },
  {
    name: 'channel-gap-of-what-was-told',
    file: subscriber,
    find: "if (item.type !== 'gap' || item.fromRevision > this.#toldTo) return item;",
    replace: 'if (this.#toldTo >= 0) return item;',
    story: 'who read history meanwhile is told of a gap where it was told everything',
    ...{ killedBy: 'channel', invariant: 'CHANNEL-4' },
  },
  {
    name: 'channel-back-among-the-others-too-soon',
    file: feed,
    find: 'return revision < this.tail.floor ? undefined : this.tail.firstAbove(revision);',
    replace: 'return this.tail.firstAbove(revision);',
    story: 'who has read history joins the live stream where that is, and what lies between is gone',
    ...{ killedBy: 'channel', invariant: 'CHANNEL-3' },
  },
  {
    name: 'channel-told-by-both',
    file: subscriber,
    find: 'if (item.revision <= this.#toldTo) {',
    replace: 'if (item.revision <= 0) {',
    story: 'who has read history is told again of what the live stream brings late',
    ...{ killedBy: 'channel', invariant: 'CHANNEL-3' },
  },
  {
    name: 'channel-pattern-of-everything',
    file: 'src/pubsub/channel/channel-keys.ts',
    find: "return prefixRange(keys.typePrefix('channel') + segmentOf(namePrefix));",
    replace: "return prefixRange(keys.typePrefix('channel') + segmentOf(namePrefix).slice(0, 0));",
    story: 'a pattern that matches what it was not asked for',
    ...{ killedBy: 'channel', invariant: 'CHANNEL-6' },
  },
];

export const channelMutants: readonly Mutant[] = [...publishing, ...telling];
