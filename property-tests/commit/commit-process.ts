import { type CommitStore, openCommitStore } from '../../src/commit/index.js';
import { isQuorateError } from '../../src/errors.js';
import { sleep } from '../../src/runtime/index.js';
import type { ProcessContext, Simulation } from '../../src/simulator/index.js';
import { type Key, type TxnRequest, txnOf } from '../../src/store/index.js';
import { NotLive } from '../support/failure.js';
import type { Attempts } from './attempts.js';
import type { Call, Calls, OpenedStore } from './calls.js';
import { marked } from './random-txn.js';

const retryMs = 100;
/** After the healing, everything that hangs on a timer or a timeout has had its time by then. */
const settledMs = 8_000;
/**
 * And then nothing is left for closing to wait for. Deleting a lane and ending the lease take a timeout each where a member
 * stays broken, 3 s; a lane that is stuck is given up only later.
 */
const longestClosingMs = 4_000;
const closeTimeoutMs = 5_000;

export interface CommitProcessOptions {
  readonly calls: Calls;
  readonly attempts: Attempts;
  readonly simulation: Simulation;
  readonly lanePrefix: Key;
  readonly lanes: number;
  readonly laneTtlSeconds: number;
}

/** What a process asks for at a time: one transaction or, at the same moment, several. */
export interface Asking {
  readonly request: TxnRequest;
  readonly timeoutMs: number;
  readonly abortAfterMs?: number | undefined;
  readonly inOwnLane: boolean;
  /** Writes nothing, and so has no marker. Default false. */
  readonly isRead?: boolean;
  readonly isGuardedByAnchor?: boolean;
  readonly isOneSided?: boolean;
  readonly isRepeatable?: boolean;
}

/** Figures of commit stores that were closed, or died. */
export interface ProcessCounts {
  resent: number;
  resolvedByLane: number;
  split: number;
  fenced: number;
  lanesReopened: number;
  groups: number;
  members: number;
}

/**
 * A process with a commit store and a lane of its own in it, over all its lives. Its script says what it asks for; after a
 * crash it goes on where it was. What it waits for when it dies is never answered.
 */
export class CommitProcess {
  /** Every commit store that it opened. */
  readonly stores: CommitStore[] = [];
  readonly #options: CommitProcessOptions;
  #opened: OpenedStore | undefined;
  #underWay: Promise<Call>[] = [];
  #markers = 0;

  constructor(options: CommitProcessOptions) {
    this.#options = options;
  }

  /** Asks, and does not wait for the answer. */
  async ask(context: ProcessContext, asking: Asking): Promise<void> {
    const opened = await this.open(context);
    const { request, timeoutMs, abortAfterMs, inOwnLane } = asking;
    const { isRead = false, isGuardedByAnchor = false, isOneSided = false, isRepeatable = false } = asking;
    this.#markers += 1;
    const marker = `t/${context.name}/${this.#markers}`;
    const call = this.#options.calls.make(context, opened, {
      ...{ marker, timeoutMs, abortAfterMs, inOwnLane, isRead, isGuardedByAnchor },
      ...{ isOneSided, isRepeatable },
      request: isRead || isRepeatable ? request : marked(request, marker, isOneSided),
    });
    this.#underWay.push(call);
  }

  /** The revision of the last put of this key that it was told of. */
  lastPutOf(key: Key): number | undefined {
    const puts = (request: TxnRequest) => request.success.some((op) => op.type === 'put' && op.key === key);
    return this.#options.calls.all.findLast(({ request, reply }) => reply && puts(request))?.reply?.revision;
  }

  /** Closes the store, if there is one: that ends every call. The next one opens another. */
  async close(context: ProcessContext): Promise<void> {
    const opened = this.#opened;
    if (opened === undefined) return;
    opened.isClosing = true;
    this.#opened = undefined;
    await opened.store.close();
    await context.runtime.nextTurn();
    const open = this.#options.calls.all.find(
      ({ storeId, settledAtMs, passesBy }) => storeId === opened.id && settledAtMs === undefined && !passesBy,
    );
    if (open !== undefined) throw new Error(`the store is closed, and the call of ${open.marker} goes on`);
  }

  /** What is lost with a life of the process. */
  begin(): void {
    this.#opened = undefined;
    this.#underWay = [];
  }

  /** Once all faults are over: every call is answered, both kinds of lanes go on, and nothing keeps the store from closing. */
  async finish(context: ProcessContext, isHealed: () => boolean): Promise<void> {
    while (!isHealed()) await sleep(context.runtime, retryMs);
    await Promise.all(this.#underWay);
    for (const inOwnLane of [false, true]) await this.#probe(context, inOwnLane);
    await sleep(context.runtime, settledMs);
    const { simulation } = this.#options;
    const startMs = simulation.nowMs;
    await this.close(context);
    const tookMs = simulation.nowMs - startMs;
    if (tookMs > longestClosingMs) {
      throw new NotLive(`${context.name} took ${tookMs.toFixed(0)} ms to close`, settledMs);
    }
  }

  /** A call that must succeed; but where a lane was lost and its history too, one whose first attempt is lost may not know. */
  async #probe(context: ProcessContext, inOwnLane: boolean): Promise<void> {
    for (;;) {
      await this.ask(context, { request: txnOf({}), timeoutMs: Number.POSITIVE_INFINITY, inOwnLane });
      const call = await this.#underWay.at(-1);
      if (call?.reply !== undefined) return;
      if (call?.error?.code !== 'compacted') {
        throw new NotLive(`${call?.marker}, which fails as ${call?.error?.code}`, 0);
      }
    }
  }

  /** Tries until the store and the lane are open. */
  async open(context: ProcessContext): Promise<OpenedStore> {
    const { attempts, lanePrefix, lanes, laneTtlSeconds } = this.#options;
    while (this.#opened === undefined) {
      let store: CommitStore | undefined;
      try {
        const { runtime } = context;
        store = await openCommitStore(attempts.over(context.store), {
          ...{ runtime, lanes, laneTtlSeconds, lanePrefix, closeTimeoutMs },
        });
        const lane = await store.openLane();
        this.stores.push(store);
        this.#opened = { store, lane, id: `${context.name}.${this.stores.length}`, isClosing: false };
      } catch (error) {
        if (!isQuorateError(error)) throw error;
        await store?.close();
        await sleep(context.runtime, retryMs);
      }
    }
    return this.#opened;
  }
}

/** What all stores of the processes did. */
export function countsOf(processes: readonly CommitProcess[], lanesAtFirst: number): ProcessCounts {
  const counts = {
    resent: 0,
    resolvedByLane: 0,
    split: 0,
    fenced: 0,
    lanesReopened: 0,
    groups: 0,
    members: 0,
  };
  for (const { stats } of processes.flatMap(({ stores }) => stores)) {
    counts.resent += stats.resent;
    counts.resolvedByLane += stats.resolvedByLane;
    counts.split += stats.split;
    counts.fenced += stats.fenced;
    counts.groups += stats.groups;
    counts.members += stats.members;
    counts.lanesReopened += Math.max(0, stats.lanesOpened - lanesAtFirst);
  }
  return counts;
}
