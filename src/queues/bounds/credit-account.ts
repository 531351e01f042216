/**
 * What one producer may put into a bounded queue: its account, for as long as its session lives. Keys: credit-keys.ts.
 *
 * - **Open** watch `j/<P>/g`, then `IF create(anchor) = a, create(h) = 0 THEN put h leased, put u := nothing used`. The name is new.
 * - **Ask** `IF mod(u) = m THEN put u := {used, what waits} ELSE get u`. The dispatcher answers in `g`.
 * - **Spend**, in the group that puts n items: `IF mod(u) = m, value(g) at least used + n THEN put u := used + n`. So an item and
 *   what it costs are one revision; what was taken back by then, or of an account that was deleted, buys nothing. More
 *   that was granted meanwhile refuses nothing.
 * - **Close** delete all three. *Session lost, process dead*: `h` goes with the lease, and the dispatcher deletes the rest.
 *
 * - *Reply lost*: the exactly-once store, or the lane, finds out; where it cannot, and after each refusal, `u` and `g` are read anew.
 *   The opening is given up after a while, and goes on all the same: it is closed once that has its answer, which may come late.
 * - *This process pauses*: credit that was given to others meanwhile is gone from `g`, which refuses the group; it asks again.
 * - *Watch cut*: `g` is read where it stands again.
 */
import { QuorateError } from '../../errors.js';
import { linkedSignal, sharedController, waitFor } from '../../runtime/index.js';
import type { Client, Session } from '../../session/index.js';
import {
  type Compare,
  compare,
  get,
  type KeyValue,
  type Op,
  put,
  remove,
  type TxnReply,
  txnOf,
} from '../../store/index.js';
import type { HubItem, Subscription } from '../../watch/index.js';
import type { QueueKeys } from '../keys.js';
import { leaveBehindNothing } from '../leave-behind-nothing.js';
import { firstOf } from '../reading/first-of.js';
import {
  type Demand,
  decodeDemand,
  decodeGrant,
  encodeDemand,
  type Grant,
  leastGrant,
} from '../records/index.js';
import { accountKey } from './credit-keys.js';
import { standForDispatcher } from './producer-candidacy.js';

const callTimeoutMs = 10_000;

/** The part of a group that pays for it. */
export interface Spending {
  /** What is used then, in all. */
  readonly used: number;
  /** The demand that it carries. */
  readonly ask: number;
  readonly compare: readonly Compare[];
  readonly ops: readonly Op[];
}

export class CreditAccount {
  readonly #client: Client;
  readonly #keys: QueueKeys;
  readonly #session: Session;
  readonly #name: string;
  readonly #ended = sharedController();
  readonly #until: ReturnType<typeof linkedSignal>;
  #subscription: Subscription | undefined;
  #grant: Grant = { granted: 0, answered: 0, refused: 0 };
  #grantMod = 0;
  #used = 0;
  #demandMod = 0;
  #isInDoubt = false;
  #ask = 0;
  /**
   * What it has told of its front, or more: what was sent and is not known to have been refused counts. Only a write that is known
   * to be applied lowers it; else a demand would stand in the store after everybody who had it has left.
   */
  #told = 0;
  #candidacy: Promise<void> | undefined;
  /** What it puts first has its answer, if it was sent. */
  #opened: Promise<void> | undefined;
  readonly #waiting = new Set<() => void>();

  private constructor(client: Client, keys: QueueKeys, session: Session) {
    this.#client = client;
    this.#keys = keys;
    this.#session = session;
    this.#name = client.runtime.newId();
    this.#until = linkedSignal(this.#ended.signal, session.signal);
  }

  /** Rejects as `client.session()` and the store do. */
  static async open(client: Client, keys: QueueKeys): Promise<CreditAccount> {
    const account = new CreditAccount(client, keys, await client.session());
    try {
      await account.#join();
    } catch (error) {
      void account.close();
      throw error;
    }
    return account;
  }

  /** Fires when nothing can be bought with it any more. */
  get signal(): AbortSignal {
    return this.#until.signal;
  }

  /** It is known for certain how it stands, as far as that is its own doing. */
  get isSettled(): boolean {
    return !this.#isInDoubt && !this.signal.aborted;
  }

  /** Items that it may put now. */
  get free(): number {
    return this.#grant.granted - this.#used;
  }

  /** Tells the dispatcher that `next` items wait to enter together, of `wanted` in all. Answers which demand this is. */
  async ask(next: number, wanted: number): Promise<number> {
    const key = this.#key('u');
    while (!this.signal.aborted) {
      if (this.#isInDoubt) await this.sync();
      const ask = this.#ask + 1;
      const demand = { used: this.#used, next, wanted, ask };
      const asSeen = compare.mod(key, 'equal', this.#demandMod);
      this.#isInDoubt = true;
      this.#told = Math.max(this.#told, next);
      const { succeeded, revision } = await this.#client.store.txn(
        txnOf({ compare: [asSeen], success: [put(key, encodeDemand(demand))] }),
        { timeoutMs: callTimeoutMs },
      );
      if (!succeeded) continue;
      this.#isInDoubt = false;
      // Not before: to one that was never stored nobody answers.
      this.#ask = ask;
      this.#told = next;
      this.#demandMod = revision;
      break;
    }
    return this.#ask;
  }

  /** What was sent may have been applied, or was refused: it is read anew before it is relied on. */
  doubt(): void {
    this.#isInDoubt = true;
  }

  /** Reads how it stands, if that is in doubt. */
  async settle(): Promise<void> {
    if (this.#isInDoubt) await this.sync();
  }

  /** Nobody waits (any more), if somebody was told otherwise. */
  async askForNothing(): Promise<void> {
    if (this.#told > 0) await this.ask(0, 0);
  }

  hasAnswered(ask: number): boolean {
    return this.#grant.answered >= ask;
  }

  wasRefused(ask: number): boolean {
    return this.#grant.refused >= ask;
  }

  /** Resolves at the next change of what was granted, when the account has ended, or when it is woken. */
  changed(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.add(resolve);
    });
  }

  wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resolve of waiting) resolve();
  }

  /** Pays for `count` items (0: what enters later), and tells what waits behind them. */
  spending(count: number, next: number, wanted: number): Spending {
    const [granted, used] = [this.#key('g'), this.#key('u')];
    const total = this.#used + count;
    // Told anew for the front: what was asked for this group is answered.
    const ask = next > 0 ? this.#ask + 1 : this.#ask;
    const demand: Demand = { used: total, next, wanted, ask };
    this.#told = Math.max(this.#told, next);
    return {
      used: total,
      ask,
      compare: [
        compare.mod(used, 'equal', this.#demandMod),
        // Who pays nothing need not have been granted anything ever.
        ...(count === 0 ? [] : [compare.value(granted, 'greater', leastGrant(total))]),
      ],
      ops: [put(used, encodeDemand(demand))],
    };
  }

  /** They have entered. */
  spent({ used, ask }: Spending, next: number, revision: number): void {
    this.#isInDoubt = false;
    this.#ask = Math.max(this.#ask, ask);
    // A reading may have been faster than the reply.
    if (revision < this.#demandMod) return;
    this.#used = used;
    this.#demandMod = revision;
    this.#told = next;
  }

  /** The demand that was told last. */
  get lastAsk(): number {
    return this.#ask;
  }

  /** What it has told of its front, or may have. */
  get told(): number {
    return this.#told;
  }

  /** Reads how it stands. Ends it if it is gone. */
  async sync(): Promise<void> {
    const { replies } = await this.#client.store.txn(
      txnOf({ success: [get(this.#key('u')), get(this.#key('g')), get(this.#key('h'), { keysOnly: true })] }),
      { timeoutMs: callTimeoutMs },
    );
    const [used, granted, here] = replies.map(firstOf);
    if (used === undefined || here === undefined) {
      this.#end(new QuorateError('session-lost', 'the account of this producer is gone'));
      return;
    }
    if (granted !== undefined) this.#sees(granted);
    if (used.modRevision < this.#demandMod) return;
    const demand = decodeDemand(used.value);
    this.#isInDoubt = false;
    this.#used = demand.used;
    this.#demandMod = used.modRevision;
    this.#ask = Math.max(this.#ask, demand.ask);
    this.#told = Math.max(this.#told, demand.next);
  }

  /** Deletes what it has in the store, sooner or later. Nothing is put by it after this was called. */
  async close(): Promise<void> {
    this.#end(new QuorateError('closed', 'the account was closed'));
    await this.#candidacy;
  }

  async #join(): Promise<void> {
    await this.#watch();
    const session = this.#session;
    const opening = this.#put();
    this.#opened = opening.then(
      () => {},
      () => {},
    );
    const limits = { timeoutMs: callTimeoutMs };
    const { succeeded, revision } = await waitFor(
      this.#client.runtime,
      opening,
      limits,
      'opening an account',
    );
    if (!succeeded) {
      await session.verify().catch(() => false);
      throw new QuorateError('session-lost', 'the session ended before the producer could open its account');
    }
    this.#demandMod = revision;
    this.#candidacy = standForDispatcher(
      { client: this.#client, keys: this.#keys, session, worker: this.#name },
      this.signal,
    );
  }

  /** For as long as the session lives: a deletion must not overtake what it is to delete. */
  #put(): Promise<TxnReply> {
    const session = this.#session;
    const here = this.#key('h');
    const demand = { used: 0, next: 0, wanted: 0, ask: 0 };
    const request = txnOf({
      compare: [session.guard(), compare.create(here, 'equal', 0)],
      success: [
        put(here, this.#client.label, { lease: session.leaseId }),
        put(this.#key('u'), encodeDemand(demand)),
      ],
    });
    const limits = { signal: session.signal, timeoutMs: Number.POSITIVE_INFINITY };
    return this.#client.store.txn(request, limits);
  }

  #watch(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.signal.addEventListener('abort', () => reject(this.signal.reason), { once: true });
      if (this.signal.aborted) {
        reject(this.signal.reason);
        return;
      }
      this.signal.addEventListener('abort', () => this.#end(this.signal.reason), { once: true });
      let first = true;
      const request = { key: this.#key('g') };
      this.#subscription = this.#client.hub.subscribe(request, (item: HubItem) => {
        if (item.type === 'events') {
          const last = item.events.at(-1);
          if (last?.type === 'put') this.#sees(last.kv);
        } else if (item.type === 'failed') {
          reject(item.error);
          this.#end(item.error);
        } else if (item.type === 'opened') {
          if (!first)
            void this.sync().then(
              () => this.wake(),
              () => this.wake(),
            );
          first = false;
          resolve();
        }
      });
    });
  }

  #sees(granted: KeyValue): void {
    if (granted.modRevision <= this.#grantMod) return;
    this.#grantMod = granted.modRevision;
    this.#grant = decodeGrant(granted.value);
    this.wake();
  }

  #end(reason: unknown): void {
    if (this.#ended.signal.aborted) return;
    this.#ended.abort(reason);
    // Nobody watches a key of this name again.
    this.#subscription?.close({ lingerMs: 0 });
    this.wake();
    void this.#leave();
    this.#until.unlink();
  }

  async #leave(): Promise<void> {
    await this.#opened;
    const request = txnOf({
      success: [remove(this.#key('h')), remove(this.#key('g')), remove(this.#key('u'))],
    });
    await leaveBehindNothing(this.#client, this.#session, request);
  }

  #key(part: 'h' | 'g' | 'u'): string {
    return accountKey(this.#keys, this.#name, part);
  }
}
