/**
 * What a hand-over costs on this machine without a lock around it: a ring of clients that pass a token on, each by one put that
 * the next one watches, after one put of its own. These are as many requests, commits and watch messages as the mutex needs,
 * through the same connection, and nothing is decided, guarded, leased or fenced. See loop.ts.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { put, type Store, txnOf } from 'quorate';
import { openEtcd3Store } from 'quorate/etcd3';
import { type ContenderArguments, contend } from './loop.js';

/** More than it takes to pass the token to everybody. */
const circleMs = 1_000;

let joined = 0;

class RingMember {
  readonly #store: Store;
  readonly #prefix: string;
  readonly #id: string;
  #next: string | undefined;
  #isFirst = false;
  #turns = 0;
  #isOver = false;
  #onTurn: (() => void) | undefined;

  static async open({ endpoint, name }: ContenderArguments): Promise<RingMember> {
    joined += 1;
    const id = `${process.pid}-${joined}`;
    const member = new RingMember(await openEtcd3Store({ hosts: endpoint }), name, id);
    await member.#put(`member/${member.#id}`);
    await member.#watch();
    return member;
  }

  private constructor(store: Store, name: string, id: string) {
    this.#store = store;
    this.#prefix = `bench/${name}`;
    this.#id = id;
  }

  async acquire(): Promise<() => Promise<unknown>> {
    this.#next ??= await this.#findNext();
    await this.#put(`join/${this.#id}`);
    if (this.#isFirst) this.#isFirst = false;
    else await this.#turn();
    return () => this.#passOn();
  }

  /** Who had not released for the last time when this one had may still wait for the token. */
  async close(): Promise<void> {
    this.#isOver = true;
    if (this.#turns > 0) await this.#passOn();
    await delay(circleMs);
    await this.#store.close();
  }

  #passOn(): Promise<unknown> {
    return this.#put(`turn/${this.#next}`);
  }

  /** All have joined by the time that the first contends. */
  async #findNext(): Promise<string> {
    const from = `${this.#prefix}/member/`;
    const { kvs } = await this.#store.range({ key: from, rangeEnd: `${this.#prefix}/member0` });
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
    const watch = this.#store.watch({ key: `${this.#prefix}/turn/${this.#id}`, without: ['delete'] });
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

  #put(key: string): Promise<unknown> {
    return this.#store.txn(txnOf({ success: [put(`${this.#prefix}/${key}`, 'x')] }), { timeoutMs: 5_000 });
  }
}

await contend((options) => RingMember.open(options));
