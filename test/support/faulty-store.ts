import { QuorateError } from '../../src/errors.js';
import type { Store } from '../../src/store/index.js';

/**
 * What may happen to a request on its way:
 * - `deliver`: nothing.
 * - `delay`: it and its reply take their time.
 * - `refuse`: it fails at once and was not sent.
 * - `lose-request`: it never arrives; the caller cannot know.
 * - `lose-reply`: it was applied, and the reply is lost.
 * - `timeout-lost`, `timeout-applied`: the same two, told as a timeout.
 * - `late`: the caller is told nothing but `unknown`, and the request arrives after some later requests, which may
 *   be after the caller has tried again, resolved what became of it, or given up.
 */
export type Fault =
  | 'deliver'
  | 'delay'
  | 'refuse'
  | 'lose-request'
  | 'lose-reply'
  | 'timeout-lost'
  | 'timeout-applied'
  | 'late';

export const faults: readonly Fault[] = [
  'deliver',
  'delay',
  'refuse',
  'lose-request',
  'lose-reply',
  'timeout-lost',
  'timeout-applied',
  'late',
];

export type FaultyCall = 'txn' | 'range' | 'leaseGrant' | 'leaseKeepAlive' | 'leaseRevoke';

export interface FaultyStoreOptions {
  /** Of all that is random here. */
  readonly seed?: number;
  /** Chance of each fault for a call that no script tells about; what is left is delivered. */
  readonly rates?: Partial<Record<Fault, number>>;
  /** The calls that random faults befall. Default: `txn` and `range`. */
  readonly calls?: readonly FaultyCall[];
  /** Longest delay. Default 3 ms. */
  readonly delayMs?: number;
  /** A late request arrives after so many later ones at most. Default 6. */
  readonly latestAfter?: number;
}

export interface FaultyStore extends Store {
  /** What befalls the next calls of this kind, one each, instead of chance. */
  script(call: FaultyCall, ...next: readonly Fault[]): void;
  /** From now on nothing befalls calls, except by script. */
  heal(): void;
  /** Late requests that have not arrived yet. */
  readonly held: number;
  /** Lets them all arrive, in an order of the seed. Settles when they have. */
  releaseHeld(): Promise<void>;
  /** Faults that befell calls so far, by kind. */
  readonly seen: Readonly<Record<Fault, number>>;
}

interface Held {
  countdown: number;
  readonly arrive: () => Promise<void>;
}

/** Uniform in [0, 1), the same sequence for the same seed. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

class Faults {
  readonly seen = Object.fromEntries(faults.map((fault) => [fault, 0])) as Record<Fault, number>;
  readonly #options: FaultyStoreOptions;
  readonly #random: () => number;
  readonly #scripts = new Map<FaultyCall, Fault[]>();
  #held: Held[] = [];
  #healed = false;

  constructor(options: FaultyStoreOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed ?? 1);
  }

  get held(): number {
    return this.#held.length;
  }

  script(call: FaultyCall, next: readonly Fault[]): void {
    const script = this.#scripts.get(call);
    if (script === undefined) this.#scripts.set(call, [...next]);
    else script.push(...next);
  }

  heal(): void {
    this.#healed = true;
  }

  async releaseHeld(): Promise<void> {
    while (this.#held.length > 0) {
      const at = Math.floor(this.#random() * this.#held.length);
      await this.#held.splice(at, 1)[0]?.arrive();
    }
  }

  async pass<T>(call: FaultyCall, send: () => Promise<T>): Promise<T> {
    const fault = this.#draw(call);
    this.seen[fault] += 1;
    await this.#arrivals();
    switch (fault) {
      case 'deliver':
        return send();
      case 'delay': {
        await this.#pause();
        const reply = await send();
        await this.#pause();
        return reply;
      }
      case 'refuse':
        throw new QuorateError('unavailable', 'refused by a fault');
      case 'lose-request':
        throw unknownOutcome('unavailable');
      case 'timeout-lost':
        throw unknownOutcome('timeout');
      case 'lose-reply':
        await send();
        throw unknownOutcome('unavailable');
      case 'timeout-applied':
        await send();
        throw unknownOutcome('timeout');
      case 'late': {
        const countdown = 1 + Math.floor(this.#random() * (this.#options.latestAfter ?? 6));
        // Nobody waits for it any more, so how it fares is nobody's business.
        this.#held.push({ countdown, arrive: () => send().then(nothing, nothing) });
        throw unknownOutcome('unavailable');
      }
    }
  }

  async #arrivals(): Promise<void> {
    for (const held of this.#held) held.countdown -= 1;
    const due = this.#held.filter((held) => held.countdown <= 0);
    this.#held = this.#held.filter((held) => held.countdown > 0);
    for (const held of due) await held.arrive();
  }

  #draw(call: FaultyCall): Fault {
    const scripted = this.#scripts.get(call)?.shift();
    if (scripted !== undefined) return scripted;
    const { rates = {}, calls = ['txn', 'range'] } = this.#options;
    if (this.#healed || !calls.includes(call)) return 'deliver';
    let point = this.#random();
    for (const fault of faults) {
      point -= rates[fault] ?? 0;
      if (point < 0) return fault;
    }
    return 'deliver';
  }

  #pause(): Promise<void> {
    const delayMs = this.#random() * (this.#options.delayMs ?? 3);
    return new Promise((resolve) => setTimeout(resolve, delayMs));
  }
}

/** A store whose calls meet scripted or random faults on their way to `store`. */
export function faultyStore(store: Store, options: FaultyStoreOptions = {}): FaultyStore {
  const state = new Faults(options);
  return {
    // A request that arrives late is not the caller's any more: its signal and its timeout have no hold on it.
    txn: (request) => state.pass('txn', () => store.txn(request)),
    range: (request) => state.pass('range', () => store.range(request)),
    leaseGrant: (request) => state.pass('leaseGrant', () => store.leaseGrant(request)),
    leaseKeepAlive: (id) => state.pass('leaseKeepAlive', () => store.leaseKeepAlive(id)),
    leaseRevoke: (id) => state.pass('leaseRevoke', () => store.leaseRevoke(id)),
    watch: (request) => store.watch(request),
    leaseTimeToLive: (id, callOptions) => store.leaseTimeToLive(id, callOptions),
    compact: (revision, callOptions) => store.compact(revision, callOptions),
    status: (callOptions) => store.status(callOptions),
    close: () => store.close(),
    script: (call, ...next) => state.script(call, next),
    heal: () => state.heal(),
    get held() {
      return state.held;
    },
    releaseHeld: () => state.releaseHeld(),
    seen: state.seen,
  };
}

function unknownOutcome(code: 'unavailable' | 'timeout'): QuorateError {
  return new QuorateError(code, 'lost by a fault', { outcome: 'unknown' });
}

function nothing(): void {}
