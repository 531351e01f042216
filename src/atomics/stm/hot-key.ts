import { Line, type Place } from '../../line/index.js';
import { type Runtime, waitFor } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import { type Key, type OpReply, segmentOf, type TxnOp } from '../../store/index.js';
import { Crowd } from '../crowd.js';
import { OneAtATime } from './one-at-a-time.js';
import { Slice } from './slice.js';
import type { Snapshot } from './snapshot.js';

/** How long anybody waits in the line, and as much again for each place before it: who is there may be dead, or stand still. */
const patienceMs = 1_000;
const patienceEachMs = 100;
/** For how long the line is left alone after somebody has waited in vain. */
const stuckForMs = 2_000;
/** How long a process keeps its turn for a transaction that may come, if one came so soon the last time. */
const lingerMs = 2;

/** The right to be the only one who commits on a hot key, as far as others ask for it too. */
export interface Turn {
  /** What this process knows since its last commit in this slice. */
  readonly known: Snapshot | undefined;
  /** Others may have committed since it was asked for, so that what was read before is of no use. */
  readonly hasWaited: boolean;
  readonly key: Key;
  /** What leaves the line with the next commit, if it is time to. */
  leaving(): Promise<TxnOp | undefined>;
  committed(known: Snapshot, left: OpReply | undefined): void;
  /** Others have; `now`: what is known instead. */
  overtaken(now: Snapshot | undefined): void;
  /** The transaction has ended, in whatever way. Idempotent. */
  end(): void;
}

/** What a process does about one key that others want too: see the head of atomically.ts. */
export class HotKey {
  readonly key: Key;
  readonly #client: Client;
  readonly #runtime: Runtime;
  readonly #line: Line;
  readonly #callers: OneAtATime;
  readonly #crowd: Crowd;
  #slice: Slice | undefined;
  #stuckUntilMs = Number.NEGATIVE_INFINITY;
  /** Until then at the longest this process waits for its turn in the line, while it does. */
  #standsUntilMs = Number.NEGATIVE_INFINITY;
  #leftAtMs = Number.NEGATIVE_INFINITY;
  /** The next transaction came soon after the last had left. */
  #comesSoon = false;

  constructor(client: Client, key: Key) {
    this.key = key;
    this.#client = client;
    this.#runtime = client.runtime;
    this.#line = new Line(client, `${client.keys.typePrefix('stm')}${segmentOf(key)}/`, { grants: true });
    this.#callers = new OneAtATime(client.runtime);
    this.#crowd = new Crowd(client.runtime);
  }

  /** Who stands in the line, or has the turn, knows that it is, however long ago the last sign was. */
  get isHot(): boolean {
    return this.#crowd.isThere || !this.#callers.isFree;
  }

  get isIdle(): boolean {
    return !this.isHot && this.#callers.isFree && this.#slice === undefined;
  }

  /** A commit was refused since this key had changed. */
  conflicted(): void {
    this.#crowd.refused();
  }

  /** The turn, if this process has it at this moment and nobody here uses it. */
  tryTake(): Turn | undefined {
    if (this.#runtime.monotonicMs() - this.#leftAtMs < lingerMs) this.#comesSoon = true;
    if (this.#slice?.isOpen !== true || !this.#callers.tryTake()) return undefined;
    this.#slice.resume();
    return this.#turn(this.#slice, false);
  }

  /**
   * Waits for the turn of this process, and in it for that of the caller. Undefined where the line is of no use now: somebody
   * before it does not go on, or there is no session to be had. Rejects only if the signal fires.
   */
  async take(signal: AbortSignal): Promise<Turn | undefined> {
    const hadToWait = !this.#callers.isFree;
    // Whoever is first here may stand in the line, and be no more stuck than those before it.
    const inLineMs = Math.max(0, this.#standsUntilMs - this.#runtime.monotonicMs());
    const withinMs = inLineMs + patienceMs + patienceEachMs * this.#callers.waiting;
    if (!(await this.#callers.take({ signal, withinMs }))) return undefined;
    const standing = this.#slice;
    if (standing?.isOpen) {
      standing.resume();
      return this.#turn(standing, true);
    }
    standing?.leave();
    this.#slice = undefined;
    const place = await this.#stand(signal);
    if (place === undefined) {
      this.#callers.give();
      return undefined;
    }
    this.#slice = new Slice(this.#runtime, this.#line, place);
    return this.#turn(this.#slice, hadToWait || place.aheadAtFirst > 0);
  }

  /** A place whose turn has come. Never rejects. */
  async #stand(signal: AbortSignal): Promise<Place | undefined> {
    if (this.#runtime.monotonicMs() < this.#stuckUntilMs) return undefined;
    const limit = { signal, timeoutMs: patienceMs };
    const doing = 'standing in the line of a hot key';
    let joining: Promise<Place> | undefined;
    try {
      const session = await this.#client.session(limit);
      joining = this.#line.join(session);
      const place = await waitFor(this.#runtime, joining, limit, doing);
      if (place.aheadAtFirst > 0) this.#crowd.sign();
      const timeoutMs = patienceMs + patienceEachMs * place.aheadAtFirst;
      this.#standsUntilMs = this.#runtime.monotonicMs() + timeoutMs;
      await waitFor(this.#runtime, place.turn, { signal, timeoutMs }, doing);
      return place;
    } catch {
      if (!signal.aborted) this.#stuckUntilMs = this.#runtime.monotonicMs() + stuckForMs;
      joining?.then(
        (place) => this.#line.leave(place),
        () => {},
      );
      return undefined;
    } finally {
      this.#standsUntilMs = Number.NEGATIVE_INFINITY;
    }
  }

  #turn(slice: Slice, hasWaited: boolean): Turn {
    let isOver = false;
    return {
      get known() {
        return slice.known;
      },
      hasWaited,
      key: this.key,
      leaving: () => slice.leaving(this.#callers.waiting === 0 && !this.#comesSoon),
      committed: (known, left) => slice.committed(known, left),
      overtaken: (now) => slice.overtaken(now),
      end: () => {
        if (isOver) return;
        isOver = true;
        this.#ended(slice);
      },
    };
  }

  #ended(slice: Slice): void {
    if (slice.isContended) this.#crowd.sign();
    if (slice.isOpen) this.#keep(slice);
    else this.#drop(slice);
    this.#callers.give();
  }

  /** For who waits here, or for who may come. */
  #keep(slice: Slice): void {
    if (this.#callers.waiting > 0) return;
    slice.pause(this.#comesSoon ? lingerMs : 0, () => {
      this.#leftAtMs = this.#comesSoon ? Number.NEGATIVE_INFINITY : this.#runtime.monotonicMs();
      this.#comesSoon = false;
      this.#slice = undefined;
    });
  }

  #drop(slice: Slice): void {
    slice.leave();
    this.#slice = undefined;
    this.#leftAtMs = this.#runtime.monotonicMs();
  }
}
