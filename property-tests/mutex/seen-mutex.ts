import { AssertionError } from 'node:assert';
import { broken } from '../../src/checkers/sentences.js';
import { type Hold, Mutex, type MutexOptions } from '../../src/locks/index.js';
import type { Runtime, WaitOptions } from '../../src/runtime/index.js';
import type { Client, Session } from '../../src/session/index.js';
import type { SimulatedProcess } from '../../src/simulator/index.js';
import type { Scene } from './scene.js';
import { SeenGrant } from './seen-grant.js';
import type { Way } from './workload.js';

type Work = (grant: SeenGrant, hold: Hold) => Promise<void>;

export interface SeenMutexParts {
  readonly client: Client;
  readonly process: SimulatedProcess;
  readonly options: MutexOptions;
  /** The client's newest session. */
  readonly session: () => Session | undefined;
}

/** A `Mutex` object of one incarnation of a process, and the order in which it serves its callers. */
export class SeenMutex {
  readonly mutex: Mutex;
  readonly process: SimulatedProcess;
  readonly runtime: Runtime;
  readonly #scene: Scene;
  readonly #client: Client;
  #calls = 0;
  /** The newest call that was granted. */
  #served = 0;

  #waiting = 0;
  readonly #session: () => Session | undefined;

  constructor(scene: Scene, parts: SeenMutexParts) {
    this.#scene = scene;
    this.#client = parts.client;
    this.#session = parts.session;
    this.process = parts.process;
    this.runtime = parts.client.runtime;
    this.mutex = new Mutex(parts.client, scene.lockName, parts.options);
  }

  get nowMs(): () => number {
    return () => this.#scene.nowMs;
  }

  /**
   * Asks for the lock, runs `work` under it and releases it. False if it was not to be had. Rejects as the mutex does, or
   * with what an invariant was broken by.
   */
  async use(way: Way, work: Work, options: WaitOptions, handsTo?: number): Promise<boolean> {
    this.#calls += 1;
    const call = this.#calls;
    if (way === 'run-exclusive') {
      await this.#runExclusive(call, work, options);
      return true;
    }
    const asked = way === 'acquire' ? this.mutex.acquire(options) : this.mutex.tryAcquire(options);
    const hold = await this.#whileWaiting(asked);
    if (hold === undefined) return false;
    const grant = this.#granted(hold, way === 'acquire' ? call : undefined);
    const session = this.#session();
    try {
      await work(grant, hold);
    } finally {
      const { wasLost } = grant.belief;
      grant.belief.end();
      if (!wasLost) await this.#scene.handOff(this.#client, hold, handsTo);
      await hold.release();
      // Without the session, nobody here knows whether what was sent is settled; the guard is.
      if (!wasLost && session?.state.status !== 'lost') grant.settledAtMs = this.#scene.nowMs;
    }
    return true;
  }

  /** Callers of this object wait for the lock. */
  get isWaiting(): boolean {
    return this.#waiting > 0;
  }

  async #runExclusive(call: number, work: Work, options: WaitOptions): Promise<void> {
    let lostWithin = false;
    let wasGranted: () => void = () => {};
    const granted = new Promise<void>((resolve) => {
      wasGranted = resolve;
    });
    const done = this.mutex.runExclusive(async (hold) => {
      const grant = this.#granted(hold, call);
      wasGranted();
      await work(grant, hold);
      lostWithin = hold.signal.aborted;
      grant.belief.end();
    }, options);
    await this.#whileWaiting(Promise.race([granted, done]));
    await done;
    if (!lostWithin) return;
    throw new AssertionError({ message: 'a critical section that lost its lock was told to have gone well' });
  }

  async #whileWaiting<T>(asked: Promise<T>): Promise<T> {
    this.#waiting += 1;
    try {
      return await asked;
    } finally {
      this.#waiting -= 1;
    }
  }

  /** First come, first served; who only tries is no caller in this sense. */
  #granted(hold: Hold, call: number | undefined): SeenGrant {
    const grant = new SeenGrant(this, hold);
    this.#scene.grants.push(grant);
    if (call === undefined) return grant;
    if (call < this.#served) {
      broken('LOCK-7', `${this.process.name} served its call ${call} after its call ${this.#served}`);
    }
    this.#served = call;
    return grant;
  }
}
