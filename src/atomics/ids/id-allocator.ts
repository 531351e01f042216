/**
 * Ids that are unique in the whole fleet, given out in the process: the hi/lo algorithm.
 *
 * **Protocol.** The key k = `{ns}/ids/{name}/next` holds the smallest id that nobody has reserved, as decimal text, without a
 * lease; where it is absent, the first one. A block of s ids is reserved by adding s to it (shared-number.ts): `IF mod(k) = m THEN
 * put k := f + s ELSE get k`, where f is what it was, or the id after the last one that this object has reserved, whichever is
 * larger. The ids from f to f + s - 1 are this object's, to be given out without asking anybody.
 *
 * **Who waits for what.** Callers take the ids in the order of their calls. When half of what was reserved last is left, the next
 * block is fetched ahead, one at a time; who finds none left waits for it.
 *
 * **When things go wrong.** Reply lost: settled by the exactly-once store; where nobody can tell whether a block was reserved, it
 * is left, and another one is fetched: its ids are a gap. The process dies: what it had not given out is a gap. It pauses: its
 * block is its own for ever, so an id that it gives out years later is still nobody else's. The key is deleted or set back by
 * hand: ids may be given out twice by different processes; by the same object never, since it reserves above its own.
 *
 * **Wrong:** to read the number and then to put it (two processes with one block, as tables of hi/lo without a lock); to give
 * out of a block whose reservation nobody knows of; to use a block that comes late after the one behind it.
 */
import { invalidArgument, isPermanent, isQuorateError, QuorateError, shown } from '../../errors.js';
import { Backoff, checkWaitOptions, defaultTimeoutMs, sleep, type WaitOptions } from '../../runtime/index.js';
import { type Client, checkClient } from '../../session/index.js';
import type { Key } from '../../store/index.js';
import { checkWhole, type NumberOp } from '../counter/number-op.js';
import { SharedNumber } from '../counter/shared-number.js';
import { BlockSize, type BlockSizeOption } from './block-size.js';
import { type Block, Blocks } from './blocks.js';
import { type WaitingForIds, WaitingIds } from './waiting-ids.js';

export interface IdAllocatorOptions {
  /** The first id, where nobody has reserved any yet. From 0. Default 1. */
  first?: number | undefined;
  /**
   * How many ids are reserved at a time. A number: always so many. Default: as many as this object gives out in one to ten
   * seconds, from 32 up to 65,536.
   */
  blockSize?: BlockSizeOption | undefined;
}

/** So many ids may be asked for by one call. */
const mostIds = 1_000_000;
/** To look at options costs more than an id. */
const noOptions: WaitOptions = {};
const retry = { firstMs: 20, longestMs: 1_000 };

/**
 * Gives out whole numbers, each once in the whole fleet, at far less than a request an id.
 *
 * - Order: ids of one object increase, in the order of the calls. Between objects, and so between processes, they do not: who asks
 *   later may get a smaller one. Share one object among the callers of a process.
 * - Guaranteed: no id is given out twice, whatever dies, pauses or is lost.
 * - Not guaranteed: that every number is given out. An object that goes away leaves a gap of what it had reserved: at most two
 *   blocks. Nor anything of numbers that other programs take, or after somebody has set the key back.
 * - Session loss: none of this needs a session.
 * - `timeoutMs` is 10 s where none is given. Who gives up has taken no id; nothing is left behind.
 * - Errors: `invalid-argument`; `over-limit` when the numbers up to 2^53 - 2 are used up; `codec` if the key holds no number; `aborted`;
 *   `timeout`, so too while the store is away or out of space, for it is asked again; `closed`, `permission-denied`.
 * - Cost: one request a block, and a read the first time; see {@link IdAllocatorOptions.blockSize}. Making one sends nothing.
 *
 * Source: the hi/lo algorithm (Ambler, "Mapping Objects to Relational Databases"), and blocks that are fetched ahead as in
 * Meituan's Leaf.
 */
export class IdAllocator {
  readonly name: string;
  /** The key that holds the smallest id that nobody has reserved. */
  readonly key: Key;
  readonly #client: Client;
  readonly #number: SharedNumber;
  readonly #size: BlockSize;
  readonly #first: number;
  readonly #blocks: Blocks;
  readonly #waiting: WaitingIds;
  /** When so few are left the next block is fetched. */
  #fetchAt = 0;
  #isFetching = false;
  /** Of fetches that fail. */
  readonly #backoff: Backoff;
  /** Until then nothing is fetched for nobody. */
  #aheadFromMs = Number.NEGATIVE_INFINITY;

  constructor(client: Client, name: string, options: IdAllocatorOptions = {}) {
    checkClient(client);
    if (typeof options !== 'object' || options === null) {
      throw invalidArgument(
        `options are of type ${typeof options}`,
        'an object with first, blockSize, or none',
      );
    }
    const { first = 1 } = options;
    if (checkWhole(first, 'first') < 0) throw invalidArgument(`first is ${first}`, 'a whole number from 0');
    this.#size = new BlockSize(client.runtime, options.blockSize);
    this.key = `${client.keys.prefix('ids', name)}next`;
    this.name = name;
    this.#client = client;
    this.#first = first;
    this.#number = new SharedNumber({ client, key: this.key, initial: first, owner: `ids "${name}"` });
    this.#blocks = new Blocks(first - 1);
    this.#backoff = new Backoff(client.runtime, retry);
    this.#waiting = new WaitingIds(client.runtime, () => this.#serve());
  }

  /** The next id. At once, as long as one is here. */
  async next(options: WaitOptions = noOptions): Promise<number> {
    if (options !== noOptions) checkWaitOptions(options, this.#doing);
    const id = this.tryNext();
    if (id !== undefined) return id;
    const [one] = await this.#wait(1, options);
    return one as number;
  }

  /**
   * The next id if one is here and nobody waits for it. Undefined otherwise, and then one is being fetched, unless that has failed
   * within the last second. Sends nothing itself.
   */
  tryNext(): number | undefined {
    const id = this.#waiting.wanted > 0 ? undefined : this.#blocks.take();
    if (this.#blocks.left <= this.#fetchAt) this.#fetch();
    return id;
  }

  /** So many ids, in ascending order, not always without gaps: up to 1,000,000. */
  async take(count: number, options: WaitOptions = {}): Promise<readonly number[]> {
    if (!(Number.isInteger(count) && count >= 1 && count <= mostIds)) {
      throw invalidArgument(`count is ${shown(count)}`, `a whole number from 1 to ${mostIds}`);
    }
    return this.#wait(count, options);
  }

  #wait(count: number, options: WaitOptions): Promise<readonly number[]> {
    checkWaitOptions(options, this.#doing);
    const { signal, timeoutMs = defaultTimeoutMs } = options;
    const ids = this.#waiting.add(count, { signal, timeoutMs }, this.#doing);
    this.#serve();
    return ids;
  }

  /** Gives out what is here, to those who have waited longest. */
  #serve(): void {
    for (let call = this.#waiting.first; call !== undefined; call = this.#waiting.first) {
      if (!this.#give(call)) break;
    }
    if (this.#blocks.left <= this.#fetchAt || this.#waiting.wanted > 0) this.#fetch();
  }

  /** No more can be had now: who can be served of what is here is served, and the others are told why they are not. */
  #refuse(error: unknown): void {
    for (let call = this.#waiting.first; call !== undefined; call = this.#waiting.first) {
      if (!this.#give(call)) call.reject(error);
    }
  }

  #give(call: WaitingForIds): boolean {
    if (this.#blocks.left < call.count) return false;
    call.resolve(Array.from({ length: call.count }, () => this.#blocks.take() as number));
    return true;
  }

  get #doing(): string {
    return `waiting for ids of ${JSON.stringify(this.name)}`;
  }

  #fetch(): void {
    if (this.#isFetching) return;
    if (this.#waiting.wanted === 0 && this.#client.runtime.monotonicMs() < this.#aheadFromMs) return;
    this.#isFetching = true;
    void this.#fetchOne().finally(() => {
      this.#isFetching = false;
      if (this.#waiting.wanted > this.#blocks.left) this.#fetch();
    });
  }

  /** In the background, tried again as long as somebody waits for it. Never rejects. */
  async #fetchOne(): Promise<void> {
    const { runtime } = this.#client;
    // Once, however often it is tried: a block that was not had was not used up.
    const size = this.#size.next(this.#waiting.wanted - this.#blocks.left);
    for (;;) {
      try {
        this.#blocks.add(await this.#reserve(size));
        this.#backoff.reset();
        this.#serve();
        return;
      } catch (error) {
        const delayMs = this.#backoff.nextMs();
        if (isPermanent(error) || isQuorateError(error, 'over-limit')) this.#refuse(error);
        if (this.#waiting.wanted === 0) {
          this.#aheadFromMs = runtime.monotonicMs() + delayMs;
          return;
        }
        await sleep(runtime, delayMs);
      }
    }
  }

  async #reserve(size: number): Promise<Block> {
    const { newest } = this.#blocks;
    const reserve: NumberOp<Block> = (next) => {
      const from = Math.max(next, newest + 1, this.#first);
      const to = Math.min(from + size - 1, Number.MAX_SAFE_INTEGER - 1);
      if (to < from)
        throw new QuorateError('over-limit', `the ids of ${JSON.stringify(this.name)} are used up`);
      return { next: to + 1, answer: { from, to } };
    };
    const options = { timeoutMs: Number.POSITIVE_INFINITY };
    const block = await this.#number.change(reserve, options, 'reserving ids');
    this.#fetchAt = Math.floor((block.to - block.from + 1) / 2);
    return block;
  }
}
