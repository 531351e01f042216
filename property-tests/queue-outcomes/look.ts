/** Counts what befell the requests that end jobs, and the watches of those who wait, as they leave a process and come back. */
import type { ItemId, QueueKeys } from '../../src/queues/keys.js';
import { sleep } from '../../src/runtime/index.js';
import type { ProcessContext, SimulatedProcess } from '../../src/simulator/index.js';
import {
  inRange,
  type Key,
  type Op,
  type Store,
  type TxnReply,
  type TxnRequest,
  textOf,
  type Watch,
  type WatchItem,
  type WatchRequest,
} from '../../src/store/index.js';
import type { PlainOp } from '../support/plain-ops.js';
import { storeWith } from '../support/store-with.js';
import type { World } from '../support/world.js';

export const situations = [
  'a job failed for the last time',
  'a job was lost with too many workers',
  'a job was rejected',
  'a dead letter was put and its reply lost',
  'a dead letter was too long for a record',
  'a running job was cancelled',
  'a job waiting in memory was cancelled',
  'a job that nobody held was cancelled',
  'a worker was told that its job is cancelled',
  'a cancellation came while its job was being acknowledged',
  'a result was waited for across a cut',
  'a result was waited for across a compaction',
  'a wait was told that there is no result',
  'progress was told to who waits',
  'a job of a batch failed beside one that was completed',
  'a batch was given up in the middle',
  'follow-ups were refused by the gate',
  'follow-ups were refused by a closed queue',
  'follow-ups entered and the reply was lost',
] as const;

export type Situation = (typeof situations)[number];

/** The gate of a queue at rest follows after 5 s. */
const longestHoldMs = 7_000;
const lookEveryMs = 50;
const longestHesitationMs = 400;
const longestDelayMs = 1_000;
const repliesLostMs = 2_500;

export interface LookParts {
  readonly world: World;
  readonly keys: QueueKeys;
  readonly process: SimulatedProcess;
  readonly context: ProcessContext;
  readonly laggard?: boolean;
  readonly losesReply?: number;
  /** Cancellations come late after what was read for them. */
  readonly hesitates?: boolean;
}

/** The end of a job that a request carries. */
interface Ending {
  readonly item: Key;
  readonly letter: Key | undefined;
  /** Items of the same queue that are to follow. */
  readonly followUps: readonly Key[];
}

/** One incarnation's requests and watches. */
export class Look {
  readonly #parts: LookParts;
  #endings = 0;
  /** When the watch of a result was cut: how far history was compacted then. */
  readonly #cuts = new Map<ItemId, number>();

  constructor(parts: LookParts) {
    this.#parts = parts;
  }

  store(): Store {
    const { store } = this.#parts.context;
    return storeWith(store, {
      txn: (request, options) => this.#txn(request, () => store.txn(request, options)),
      watch: (request) => this.#watch(request, store.watch(request)),
    });
  }

  reached(situation: Situation): void {
    this.#parts.world.reached(situation);
  }

  /** Somebody who waited for the job was told how it ended. */
  told(id: ItemId): void {
    const compactedAt = this.#cuts.get(id);
    if (compactedAt === undefined) return;
    this.reached('a result was waited for across a cut');
    const { compactRevision } = this.#parts.world.simulation.engine;
    if (compactRevision > compactedAt) this.reached('a result was waited for across a compaction');
  }

  async #txn(request: TxnRequest, send: () => Promise<TxnReply>): Promise<TxnReply> {
    const { context, hesitates, keys } = this.#parts;
    const endings = endingsOf(keys, request);
    if (endings.length === 0) return send();
    if (hesitates) await sleep(context.runtime, longestHesitationMs * context.runtime.random());
    for (const ending of endings) this.#befall(ending);
    const first = endings.flatMap(({ followUps }) => followUps.slice(0, 1))[0];
    if (first !== undefined) await this.#holdUp(first);
    try {
      const reply = await send();
      for (const { item, followUps } of endings) {
        const [first] = followUps;
        if (first !== undefined && this.#stands(item) && this.#isPassed(first)) {
          this.reached('follow-ups were refused by the gate');
        }
      }
      return reply;
    } catch (error) {
      for (const { item, letter, followUps } of endings) {
        if (letter !== undefined && this.#stands(letter)) {
          this.reached('a dead letter was put and its reply lost');
        }
        if (followUps.length > 0 && !this.#stands(item))
          this.reached('follow-ups entered and the reply was lost');
      }
      throw error;
    }
  }

  #befall({ letter, followUps }: Ending): void {
    const { world, process, losesReply = 0 } = this.#parts;
    if (letter === undefined && followUps.length === 0) return;
    this.#endings += 1;
    const { simulation } = world;
    if (this.#endings === losesReply) {
      const window = { atMs: simulation.nowMs, durationMs: repliesLostMs, target: process.index };
      simulation.inject({ ...window, kind: 'cut-replies' });
    }
  }

  /** A laggard's follow-ups come late: until the gate has passed them, or for a while. Once a request, however many ends it carries. */
  async #holdUp(first: Key): Promise<void> {
    const { context, laggard } = this.#parts;
    if (!laggard) return;
    if (this.#endings % 2 === 0) {
      await sleep(context.runtime, longestDelayMs * context.runtime.random());
      return;
    }
    for (let heldMs = 0; heldMs < longestHoldMs && !this.#isPassed(first); heldMs += lookEveryMs) {
      await sleep(context.runtime, lookEveryMs);
    }
  }

  #watch(request: WatchRequest, watch: Watch): Watch {
    const { keys, world } = this.#parts;
    if (!inRange(keys.results, request.key)) return watch;
    const id = keys.nameIn(keys.results, request.key);
    const cuts = this.#cuts;
    async function* items(): AsyncGenerator<WatchItem> {
      for await (const item of watch) {
        if (item.type === 'interrupted' && !cuts.has(id)) {
          cuts.set(id, world.simulation.engine.compactRevision);
        }
        yield item;
      }
    }
    return { close: () => watch.close(), [Symbol.asyncIterator]: items };
  }

  #stands(key: Key): boolean {
    return this.#parts.world.simulation.engine.range({ key, countOnly: true }).count > 0;
  }

  #isPassed(item: Key): boolean {
    const { keys, world } = this.#parts;
    const [gate] = world.simulation.engine.range({ key: keys.gate }).kvs;
    return gate !== undefined && textOf(gate.value) >= keys.nameIn(keys.items, item);
  }
}

function endingsOf(keys: QueueKeys, request: TxnRequest): Ending[] {
  return partsOf(request.success).flatMap((ops) => {
    const item = ops.find(({ type, key }) => type === 'delete' && inRange(keys.items, key))?.key;
    if (item === undefined) return [];
    const puts = ops.flatMap(({ type, key }) => (type === 'put' ? [key] : []));
    return [
      {
        item,
        letter: puts.find((key) => inRange(keys.deadLetters, key)),
        followUps: puts.filter((key) => inRange(keys.items, key)),
      },
    ];
  });
}

/** The operations of each transaction in a request, of however many a group has made one. */
function partsOf(ops: readonly Op[]): readonly (readonly PlainOp[])[] {
  const own = ops.flatMap((op) => (op.type === 'txn' ? [] : [op]));
  return [own, ...ops.flatMap((op) => (op.type === 'txn' ? partsOf(op.success) : []))];
}
