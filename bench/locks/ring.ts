/**
 * A ring of clients that pass a token on: who has it writes to the key that the next one watches. Each asks for it again before it
 * waits. What it writes for either is its own affair; see loop.ts for what is done with it.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { put, type Store, txnOf } from 'quorate';
import type { Contender } from './loop.js';

/** More than it takes to pass the token to everybody. */
const circleMs = 1_000;

let joined = 0;

/** What a member writes. Keys go below `prefix`. */
export interface RingRequests {
  readonly store: Store;
  readonly prefix: string;
  /** As it asks for the token. */
  join(member: string): Promise<unknown>;
  /** As it passes it on, by a put of `turn`. */
  passOn(member: string, turn: string): Promise<unknown>;
  close(): Promise<unknown>;
}

export const requestOptions = { timeoutMs: 5_000 };

export class RingMember implements Contender {
  readonly #requests: RingRequests;
  readonly #id: string;
  #next: string | undefined;
  #isFirst = false;
  #turns = 0;
  #isOver = false;
  #onTurn: (() => void) | undefined;

  static async open(requests: RingRequests): Promise<RingMember> {
    joined += 1;
    // In this order nobody passes it on to another client of the same process, as long as there are other processes.
    const member = new RingMember(requests, `${joined}-${process.pid}`);
    const { store, prefix } = requests;
    await store.txn(txnOf({ success: [put(`${prefix}/member/${member.#id}`, '')] }), requestOptions);
    await member.#watch();
    return member;
  }

  private constructor(requests: RingRequests, id: string) {
    this.#requests = requests;
    this.#id = id;
  }

  async acquire(): Promise<() => Promise<unknown>> {
    this.#next ??= await this.#findNext();
    await this.#requests.join(this.#id);
    if (this.#isFirst) this.#isFirst = false;
    else await this.#turn();
    return () => this.#passOn();
  }

  /** Who had not released for the last time when this one had may still wait for the token. */
  async close(): Promise<void> {
    this.#isOver = true;
    if (this.#turns > 0) await this.#passOn();
    await delay(circleMs);
    await this.#requests.close();
  }

  #passOn(): Promise<unknown> {
    return this.#requests.passOn(this.#id, `${this.#requests.prefix}/turn/${this.#next}`);
  }

  /** All have joined by the time that the first contends. */
  async #findNext(): Promise<string> {
    const { store, prefix } = this.#requests;
    const from = `${prefix}/member/`;
    const { kvs } = await store.range({ key: from, rangeEnd: `${prefix}/member0` });
    const members = kvs.map(({ key }) => key.slice(from.length));
    const own = members.indexOf(this.#id);
    this.#isFirst = own === 0;
    return members[(own + 1) % members.length] ?? this.#id;
  }

  async #turn(): Promise<void> {
    if (this.#turns === 0) {
      await new Promise<void>((resolve) => {
        this.#onTurn = resolve;
      });
    }
    this.#turns -= 1;
  }

  async #watch(): Promise<void> {
    const { store, prefix } = this.#requests;
    const watch = store.watch({ key: `${prefix}/turn/${this.#id}`, without: ['delete'] });
    const items = watch[Symbol.asyncIterator]();
    await items.next();
    const follow = async () => {
      for (;;) {
        const { value, done } = await items.next();
        if (done) return;
        if (value.type !== 'events') continue;
        if (this.#isOver) await this.#passOn();
        else {
          this.#turns += 1;
          this.#onTurn?.();
        }
      }
    };
    follow().catch(() => {});
  }
}
