import { isPermanent } from '../../errors.js';
import { Backoff, sleep, type WaitOptions, waitFor } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import { compare, get, type Key, type KeyValue, put } from '../../store/index.js';
import { FactFollower } from '../../watch/index.js';
import { type Standing, Vigil } from '../vigil.js';
import {
  encodePhase,
  looksAt,
  type Phase,
  type PhaserKeys,
  phaseOf,
  type SeenPhase,
  seenPhaseIn,
} from './phase.js';

/** One who wants to know that a phase is over. */
interface Awaiting {
  readonly phase: number;
  /** The first time counts. */
  readonly resolve: (now: number) => void;
  readonly reject: (error: unknown) => void;
}

/** A member that has arrived. */
interface Arrived {
  /** The revision of its arrival. */
  readonly at: number;
  /** Its key is not there any more. */
  readonly onGone: () => void;
}

/** What one object knows of its phaser, who of it has arrived, and who waits. */
export class PhaserBoard {
  readonly client: Client;
  readonly keys: PhaserKeys;
  readonly #follower: FactFollower;
  readonly #vigil: Vigil;
  readonly #awaiting = new Set<Awaiting>();
  /** Members of this object that have arrived in the present phase. */
  readonly #arrived = new Map<Key, Arrived>();
  #stopListening: (() => void) | undefined;
  #now: Phase | undefined;
  #asOf = 0;

  constructor(client: Client, keys: PhaserKeys) {
    const { hub, store, runtime, ttlMs } = client;
    this.client = client;
    this.keys = keys;
    this.#follower = new FactFollower({ hub, store, runtime, key: keys.phase, recheckMs: ttlMs });
    this.#vigil = new Vigil({
      ...{ client, members: keys.members, ttlMs: () => ttlMs },
      look: (signal) => this.#look(signal),
      onFailure: (error) => this.#fail(error),
    });
  }

  /** Since when the newest phase goes on that is known here. */
  get since(): number {
    return this.#now?.mod ?? 0;
  }

  /** Somebody knows the phase as it was at a revision. */
  readonly learn = (kv: KeyValue | undefined, revision: number): void => {
    this.#follower.learn(kv, revision);
    this.#see(kv, revision);
  };

  /** A member of this object has arrived, as this reply shows. Its process sees to it from now on that the phase ends. */
  arrived(key: Key, arrived: Arrived, seen?: SeenPhase): void {
    if (arrived.at <= this.since) return;
    this.#arrived.set(key, arrived);
    this.#keep();
    this.#act(key, seen);
  }

  /** It has left, or its session is over. */
  gone(key: Key): void {
    this.#arrived.delete(key);
    this.#rest();
  }

  /** Ends the phase if, by what a reply has shown, all have arrived who take part in it. Tries until that is certain. */
  async concluded(seen: SeenPhase): Promise<void> {
    const { runtime } = this.client;
    const backoff = new Backoff(runtime, { firstMs: 10, longestMs: 1_000 });
    while (seen.now.mod >= this.since) {
      try {
        await this.#advance(seen);
        return;
      } catch (error) {
        if (isPermanent(error)) return;
        await sleep(runtime, backoff.nextMs(), { background: true });
      }
    }
  }

  /**
   * The same as {@link overFrom} for who has not just seen the phase in a reply. While nobody of this object waits, the phaser may be
   * removed and begin anew, so what is known of it, or was told since, may be of another that had the name.
   */
  async overAsOfNow(phase: number, signal: AbortSignal, doing: string): Promise<number> {
    if (this.#stopListening === undefined) {
      const state = await this.#follower.read({ signal });
      this.#see(state.status === 'present' ? state.kv : undefined, state.revision);
    }
    return this.overFrom(phase, { signal }, doing);
  }

  /** Resolves with the phase that goes on, once this one is over. */
  async overFrom(phase: number, options: WaitOptions, doing: string): Promise<number> {
    let one: Awaiting | undefined;
    const over = new Promise<number>((resolve, reject) => {
      one = { phase, resolve, reject };
      this.#awaiting.add(one);
    });
    this.#keep();
    if (this.#now !== undefined) this.#settle(this.#now);
    try {
      return await waitFor(this.client.runtime, over, options, doing);
    } finally {
      if (one !== undefined) this.#awaiting.delete(one);
      this.#rest();
    }
  }

  #see(kv: KeyValue | undefined, revision: number): void {
    if (revision < this.#asOf) return;
    this.#asOf = revision;
    let now: Phase;
    try {
      now = phaseOf(kv);
    } catch (error) {
      this.#now = undefined;
      this.#fail(error);
      return;
    }
    this.#now = now;
    for (const [key, { at }] of this.#arrived) if (at <= now.mod) this.#arrived.delete(key);
    this.#settle(now);
    this.#rest();
  }

  #settle({ phase }: Phase): void {
    for (const one of [...this.#awaiting]) if (phase > one.phase) one.resolve(phase);
  }

  #fail(error: unknown): void {
    for (const one of [...this.#awaiting]) one.reject(error);
  }

  /** While somebody of this object has arrived, or waits. */
  #keep(): void {
    this.#vigil.start();
    if (this.#stopListening !== undefined) return;
    const stop = this.#follower.listen({
      see: (fact) => {
        if (fact.status === 'present') this.#see(fact.kv, fact.revision);
        else if (fact.status === 'absent') this.#see(undefined, fact.revision);
      },
      fail: (error) => {
        this.#stopListening = undefined;
        this.#fail(error);
      },
    });
    this.#stopListening = stop;
    this.#rest();
  }

  #rest(): void {
    if (this.#arrived.size > 0 || this.#awaiting.size > 0) return;
    this.#vigil.stop();
    this.#stopListening?.();
    this.#stopListening = undefined;
  }

  #act(key: Key, seen: SeenPhase | undefined): void {
    if (seen === undefined) {
      this.#vigil.look();
      return;
    }
    const standing = this.#standingIn(seen);
    if (standing !== undefined) this.#vigil.stands(standing);
    // The last one knows first. If it should have died, it is for the monitor.
    if (seen.arrived.at(-1)?.key === key) void this.concluded(seen);
  }

  async #look(signal: AbortSignal): Promise<Standing | undefined> {
    const { store } = this.client;
    const request = { compare: [], success: looksAt(this.keys, this.since), failure: [] };
    const { replies, revision } = await store.txn(request, { signal });
    const seen = seenPhaseIn(replies, revision);
    this.learn(seen.phaseKv, revision);
    this.#missOwn(seen);
    if (seen.registered > 0) await this.#advance(seen);
    return this.#standingIn(seen);
  }

  /** Tells members of this object that have arrived, and whose keys are not there any more. */
  #missOwn({ now, arrived, revision }: SeenPhase): void {
    for (const [key, { at, onGone }] of [...this.#arrived]) {
      const stands = arrived.some((kv) => kv.key === key && kv.modRevision === at);
      if (stands || at > revision || at <= now.mod) continue;
      this.#arrived.delete(key);
      onGone();
    }
    this.#rest();
  }

  #standingIn({ arrived, revision }: SeenPhase): Standing | undefined {
    const rank = arrived.findIndex(({ key }) => this.#arrived.has(key));
    return rank < 0 ? undefined : { rank, monitor: arrived[0]?.key, revision };
  }

  /** Does nothing unless all who were members then had arrived; refused if somebody has registered since, or it is done. */
  async #advance({ now, arrived, registered, revision }: SeenPhase): Promise<void> {
    if (arrived.length < registered) return;
    const { client, keys } = this;
    const reply = await client.store.txn({
      compare: [
        compare.mod(keys.phase, 'equal', now.mod),
        compare.create(keys.members, 'less', revision + 1),
      ],
      success: [put(keys.phase, encodePhase(now.phase + 1)), get(keys.phase)],
      failure: [get(keys.phase)],
    });
    const last = reply.replies.at(-1);
    this.learn(last?.type === 'range' ? last.kvs[0] : undefined, reply.revision);
  }
}
