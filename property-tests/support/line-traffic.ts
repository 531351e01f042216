import type { History } from '../../src/checkers/index.js';
import { isQuorateError } from '../../src/errors.js';
import type {
  Key,
  NestedTxnReply,
  Op,
  Store,
  TxnRequest,
  Watch,
  WatchItem,
  WatchRequest,
} from '../../src/store/index.js';
import { storeWith } from './store-with.js';

/** A request that was to take a place, of which its sender was told that nobody knows what became of it. */
interface LostJoin {
  readonly key: Key;
  readonly sentAtMs: number;
  readonly failedAtMs: number;
}

export interface LineTrafficOptions {
  readonly nowMs: () => number;
  /** The prefix of the places. */
  readonly line: Key;
  /** A transaction of whose outcome its sender was told that nobody knows it. */
  readonly onUnknown?: (request: TxnRequest) => void;
}

/** What goes between processes and a line: the attempts to join whose replies were lost, and what watches say. */
export class LineTraffic {
  readonly #options: LineTrafficOptions;
  readonly #lostJoins: LostJoin[] = [];
  /** Of joins that asked only how many stand in the line, and found others: by whether one of them stood guard. */
  readonly looksInACrowd = { guarded: 0, unguarded: 0 };

  constructor(options: LineTrafficOptions) {
    this.#options = options;
  }

  /** A process's store, looked at. */
  watched(store: Store, onWatchItem?: (request: WatchRequest, item: WatchItem) => void): Store {
    return storeWith(store, {
      txn: async (request, options) => {
        const sentAtMs = this.#options.nowMs();
        const joins = placesTaken(request, this.#options.line);
        try {
          const reply = await store.txn(request, options);
          this.#countLooks(request.success, reply);
          return reply;
        } catch (error) {
          if (isQuorateError(error) && error.outcome === 'unknown') {
            const failedAtMs = this.#options.nowMs();
            this.#lostJoins.push(...joins.map((key) => ({ key, sentAtMs, failedAtMs })));
            this.#options.onUnknown?.(request);
          }
          throw error;
        }
      },
      watch: (request) => {
        const watch = store.watch(request);
        return onWatchItem === undefined ? watch : lookedAt(watch, (item) => onWatchItem(request, item));
      },
    });
  }

  /** Joins that asked only how many stand in the line, others among them. */
  #countLooks(
    ops: readonly Op[],
    { succeeded, replies }: Pick<NestedTxnReply, 'succeeded' | 'replies'>,
  ): void {
    if (!succeeded) return;
    ops.forEach((op, at) => {
      const [reply, next] = replies.slice(at, at + 2);
      if (op.type === 'txn' && reply?.type === 'txn') this.#countLooks(op.success, reply);
      if (op.type !== 'range' || !op.countOnly || op.key !== this.#options.line) return;
      if (reply?.type !== 'range' || reply.count < 2 || next?.type !== 'range') return;
      this.looksInACrowd[next.count > 0 ? 'guarded' : 'unguarded'] += 1;
    });
  }

  /** Attempts to join that the sender gave up: applied before that, or, by themselves or when sent again, after it. */
  lostJoins(history: History): { readonly before: number; readonly after: number } {
    const counts = { before: 0, after: 0 };
    for (const { key, sentAtMs, failedAtMs } of this.#lostJoins) {
      const life = history.livesOf(key).find(({ fromMs = 0 }) => fromMs >= sentAtMs);
      if (life === undefined) continue;
      counts[(life.fromMs ?? 0) <= failedAtMs ? 'before' : 'after'] += 1;
    }
    return counts;
  }
}

function lookedAt(watch: Watch, onItem: (item: WatchItem) => void): Watch {
  async function* items(): AsyncGenerator<WatchItem> {
    for await (const item of watch) {
      onItem(item);
      yield item;
    }
  }
  return { close: () => watch.close(), [Symbol.asyncIterator]: items };
}

function placesTaken({ success }: Pick<TxnRequest, 'success'>, line: Key): readonly Key[] {
  return success.flatMap((op: Op) => {
    if (op.type === 'txn') return placesTaken(op, line);
    return op.type === 'put' && op.key.startsWith(line) ? [op.key] : [];
  });
}
