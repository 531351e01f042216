import {
  inRange,
  type Key,
  type KeyEvent,
  type KeyRange,
  validateWatch,
  type WatchRequest,
} from '../store/index.js';
import { ChangeEvent } from './change-event.js';
import type { Version } from './key-history.js';
import type { Mvcc } from './mvcc.js';

/** etcd reads at most so many revisions of history into one response. */
const revisionsPerBatch = 1_000;

/**
 * What a watch is told, in order: `opened`, then history from its first revision, then what happens. Revisions are
 * whole, ascending, none twice.
 */
export type EngineWatchItem =
  /** Always first. `revision` is the store's at that moment. */
  | { readonly type: 'opened'; readonly revision: number }
  /** `revision` is the last event's; `headerRevision` is the store's, which is higher while history is read. */
  | {
      readonly type: 'events';
      readonly revision: number;
      readonly headerRevision: number;
      readonly events: readonly KeyEvent[];
    }
  | { readonly type: 'progress'; readonly revision: number }
  /** The last item: history from `fromRevision` is gone. */
  | { readonly type: 'compacted'; readonly fromRevision: number; readonly compactRevision: number };

/** Called in the middle of the engine's work: it must not throw, nor call the engine. */
export type WatchSink = (item: EngineWatchItem) => void;

export interface EngineWatch {
  /** Idempotent. Nothing is told after it. */
  close(): void;
  /** Tells `progress`: everything up to the current revision has been told. */
  requestProgress(): void;
}

interface Watcher {
  readonly range: KeyRange;
  readonly nextRevision: number;
  readonly without: readonly ('put' | 'delete')[];
  readonly prevKv: boolean;
  readonly sink: WatchSink;
}

/** The open watches, found by the key that was written: a table for single keys, a list of distinct ranges. */
export class Watchers {
  readonly #byKey = new Map<Key, Set<Watcher>>();
  readonly #byRange = new Map<string, { readonly range: KeyRange; readonly watchers: Set<Watcher> }>();

  /** Tells `sink` the history before it returns. Throws `invalid-argument` for a range without keys. */
  open(request: WatchRequest, mvcc: Mvcc, sink: WatchSink): EngineWatch {
    validateWatch(request);
    const range = watchRange(request);
    const from = request.fromRevision ?? 0;
    const { revision, compactRevision } = mvcc;
    let closed = false;
    const watcher: Watcher = {
      range,
      nextRevision: from === 0 ? revision + 1 : from,
      without: request.without ?? [],
      prevKv: request.prevKv ?? false,
      sink: (item) => {
        if (!closed) sink(item);
      },
    };
    watcher.sink({ type: 'opened', revision });
    const behind = from !== 0 && from <= revision;
    if (behind && from < compactRevision) {
      watcher.sink({ type: 'compacted', fromRevision: from, compactRevision });
      closed = true;
    } else {
      if (behind) replay(watcher, mvcc);
      this.#add(watcher);
    }
    return {
      close: () => {
        closed = true;
        this.#remove(watcher);
      },
      requestProgress: () => watcher.sink({ type: 'progress', revision: mvcc.revision }),
    };
  }

  /** Tells every watch its part of the current revision, in one item. */
  notify(changes: readonly Version[], mvcc: Mvcc): void {
    if (this.#byKey.size === 0 && this.#byRange.size === 0) return;
    const { revision } = mvcc;
    const told = new Map<Watcher, KeyEvent[]>();
    for (const version of changes) {
      const change = new ChangeEvent(version, mvcc);
      const tell = (watcher: Watcher) => {
        if (revision < watcher.nextRevision || watcher.without.includes(change.type)) return;
        const events = told.get(watcher);
        if (events) events.push(change.event(watcher.prevKv));
        else told.set(watcher, [change.event(watcher.prevKv)]);
      };
      this.#byKey.get(change.key)?.forEach(tell);
      for (const { range, watchers } of this.#byRange.values()) {
        if (inRange(range, change.key)) watchers.forEach(tell);
      }
    }
    for (const [watcher, events] of told) {
      watcher.sink({ type: 'events', revision, headerRevision: revision, events });
    }
  }

  #add(watcher: Watcher): void {
    const { key, rangeEnd } = watcher.range;
    if (!rangeEnd) {
      const sameKey = this.#byKey.get(key);
      if (sameKey) sameKey.add(watcher);
      else this.#byKey.set(key, new Set([watcher]));
      return;
    }
    const name = rangeName(watcher.range);
    const sameRange = this.#byRange.get(name);
    if (sameRange) sameRange.watchers.add(watcher);
    else this.#byRange.set(name, { range: watcher.range, watchers: new Set([watcher]) });
  }

  #remove(watcher: Watcher): void {
    const { key, rangeEnd } = watcher.range;
    if (!rangeEnd) {
      const sameKey = this.#byKey.get(key);
      if (sameKey?.delete(watcher) && sameKey.size === 0) this.#byKey.delete(key);
      return;
    }
    const name = rangeName(watcher.range);
    const sameRange = this.#byRange.get(name);
    if (sameRange?.watchers.delete(watcher) && sameRange.watchers.size === 0) this.#byRange.delete(name);
  }
}

/** Tells the watch its history up to now. */
function replay(watcher: Watcher, mvcc: Mvcc): void {
  let events: KeyEvent[] = [];
  let revisions = 0;
  const flush = () => {
    const revision = events.at(-1)?.kv.modRevision;
    if (revision === undefined) return;
    watcher.sink({ type: 'events', revision, headerRevision: mvcc.revision, events });
    events = [];
    revisions = 0;
  };
  for (const versions of mvcc.since(watcher.nextRevision)) {
    const before = events.length;
    for (const version of versions) {
      if (!inRange(watcher.range, version.key)) continue;
      const change = new ChangeEvent(version, mvcc);
      if (!watcher.without.includes(change.type)) events.push(change.event(watcher.prevKv));
    }
    if (events.length > before) revisions += 1;
    if (revisions === revisionsPerBatch) flush();
  }
  flush();
}

function watchRange({ key, rangeEnd }: WatchRequest): KeyRange {
  const first = key === '' ? '\0' : key;
  return rangeEnd ? { key: first, rangeEnd } : { key: first };
}

function rangeName(range: KeyRange): string {
  return `${range.key.length}:${range.key}${range.rangeEnd}`;
}
