/** Known bugs of watches, shared and not. */
import type { Mutant } from './mutant.js';

const shared = 'src/watch/shared-watch.ts';
const simulated = 'src/simulator/network/simulated-watch.ts';
const killedBy = 'watch-hub';

export const watchMutants: readonly Mutant[] = [
  {
    name: 'resumed-at-the-header',
    file: simulated,
    find: 'fromRevision: watchStart(next) }',
    replace: 'fromRevision: Math.max(next, link.cluster.engine.revision + 1) }',
    story: "npm etcd3 goes on after a cut from the header's revision, past what was not delivered",
    killedBy,
    invariant: 'WATCH-4 WATCH-1',
  },
  {
    name: 'repeated-by-a-member-that-lags',
    file: simulated,
    find: `        this.#delivered = Math.max(this.#delivered, item.revision);
        this.#next ??= this.#delivered + 1;`,
    replace: `        this.#delivered = item.revision;
        this.#next ??= this.#delivered + 1;`,
    story: 'a watch opened anew from now at a member behind the last one tells everything again',
    killedBy,
    invariant: 'WATCH-3 WATCH-4',
  },
  {
    name: 'from-the-compacted-revision',
    file: 'src/store/watch-start.ts',
    find: 'return Math.max(1, revision - 1);',
    replace: 'return revision;',
    story:
      'our own stores: etcd serves a watch from exactly the compacted revision, of which the deletions are gone',
    killedBy,
    invariant: 'WATCH-4 WATCH-1',
  },
  {
    name: 'dies-at-a-cut',
    file: simulated,
    find: `      this.#push({ type: 'interrupted', error: new QuorateError('unavailable', reason) });
    }
    this.#retry();`,
    replace: `      this.#push({ type: 'interrupted', error: new QuorateError('unavailable', reason) });
    } else this.#retry();`,
    story: 'microsoft/etcd3 #78: silent after a reconnection',
    killedBy,
    invariant: 'not live',
  },
  {
    name: 'silent-after-compaction',
    file: simulated,
    find: `        this.#push({ ...item, fromRevision: this.#next ?? item.fromRevision });
        this.#items.end();`,
    replace: '        this.#items.end();',
    story: 'npm etcd3 drops the compact revision, and the watcher is gone without a word',
    killedBy,
    invariant: 'not live',
  },
  {
    name: 'reopened-without-a-word',
    file: shared,
    find: "else this.#emit({ type: 'interrupted', error });",
    replace: 'else void error;',
    story: 'CuratorCache may miss events between two watches',
    killedBy,
    invariant: 'WATCH-4 WATCH-1',
  },
  {
    name: 'cut-taken-for-news',
    file: shared,
    find: "else this.#emit({ type: 'interrupted', error });",
    replace: "else this.#emit({ type: 'events', revision: this.#latestRevision, events: error ? [] : [] });",
    story: 'a recipe that takes whatever ends its wait for the deletion it waits for',
    killedBy,
    invariant: 'WATCH-4 WATCH-2 WATCH-1',
  },
  {
    name: 'joiner-not-greeted',
    file: shared,
    find: '    if (this.#openedAtMs !== undefined) {\n      subscriber.emit',
    replace: '    if (this.#openedAtMs === undefined) {\n      subscriber.emit',
    story: 'npm etcd3 delivers before its awaiter listens: 116 of 150 late listeners lost history',
    killedBy,
    invariant: 'WATCH-1 WATCH-2 WATCH-4',
  },
  {
    name: 'joiner-greeted-during-a-cut',
    file: shared,
    find: `  #interrupt(error: Error): void {
    this.#openedAtMs = undefined;`,
    replace: `  #interrupt(error: Error): void {
    this.#openedAtMs ??= undefined;`,
    story:
      'who subscribes during a cut is promised all that follows, and the reopening from now skips some of it',
    killedBy,
    invariant: 'WATCH-4 WATCH-1',
  },
  {
    name: 'joiner-told-one-too-many',
    file: shared,
    find: "      subscriber.emit({ type: 'opened', revision: this.#latestRevision });",
    replace: "      subscriber.emit({ type: 'opened', revision: this.#latestRevision + 1 });",
    story: 'revision and next revision mixed up, as by npm etcd3',
    killedBy,
    invariant: 'WATCH-4 WATCH-1 WATCH-3',
  },
  {
    name: 'joiner-within-an-item',
    file: shared,
    find: 'for (const subscriber of [...this.#subscribers]) {\n      if',
    replace: 'for (const subscriber of this.#subscribers) {\n      if',
    story: 'who subscribes out of an event is told the same event again',
    killedBy,
    invariant: 'WATCH-4',
  },
  {
    name: 'filters-not-in-the-identity',
    file: 'src/watch/watch-hub.ts',
    find: "return JSON.stringify([request.key, request.rangeEnd ?? '', without, request.prevKv === true]);",
    replace: "return JSON.stringify([request.key, request.rangeEnd ?? '', without.length > 2]);",
    story: 'watches of one range shared by those who asked for different events',
    killedBy,
    invariant: 'WATCH-4 WATCH-1, not live',
  },
  {
    name: 'linger-not-cancelled',
    file: shared,
    find: `  subscribe(listener: (item: HubItem) => void): Subscription {
    this.#linger?.cancel();`,
    replace: '  subscribe(listener: (item: HubItem) => void): Subscription {',
    story: 'a shared watch that is used again is closed by the timer of its last use',
    killedBy,
    invariant: 'WATCH-1',
  },
];
