/** Counts what befell the queue's requests and watches, looking at them as they leave a process and come back. */
import { levelOf, placeOf, type QueueKeys, revisionOf } from '../../src/queues/keys.js';
import { type Runtime, sleep } from '../../src/runtime/index.js';
import type { ProcessContext, SimulatedProcess } from '../../src/simulator/index.js';
import {
  type KeyRange,
  type RangeRequest,
  type RangeResult,
  type Store,
  type TxnReply,
  type TxnRequest,
  textOf,
  type Watch,
  type WatchItem,
  type WatchRequest,
} from '../../src/store/index.js';
import { type Errand, errandsOf, isLoading, type SentErrand } from '../support/queues/errands.js';
import { storeWith } from '../support/store-with.js';
import type { World } from '../support/world.js';
import { HeldWrites } from './held-writes.js';

export const situations = [
  'an enqueue of unknown outcome had been applied',
  'an enqueue of unknown outcome had not been applied',
  'an enqueue came too late and was refused by the gate',
  'the gate was not moved past an item that came after the reading',
  'an acknowledgement was applied and its reply lost',
  'the leader of the cluster changed during a claim',
  'two took themselves for the dispatcher',
  'a takeover with a group of the old term in flight',
  'a write of a deposed dispatcher was refused',
  'history was compacted while the watch of the dispatcher was cut',
  'backlog mode entered',
  'backlog mode left',
  'the gate followed the newest items',
  'a worker acknowledged after its job was taken back',
  'a job was given out again after its worker was lost',
  'a closing worker gave back a job',
  'a handler failed at a job for the third time',
  'a complete was refused by its own compares',
  'a payload too long for a record was handled',
] as const;

export type Situation = (typeof situations)[number];

const latestMs = 400;

interface Claim {
  readonly process: SimulatedProcess;
  readonly incarnation: number;
  readonly term: number;
}

/** A fault that befalls a process while one of its requests is on its way. */
export interface Mishap {
  readonly at: 'enqueue' | 'window' | 'dispatch';
  readonly kind: 'cut-requests' | 'pause' | 'leader-change';
  /** At which of these requests, from 1. */
  readonly nth: number;
  /** 0: never. */
  readonly durationMs: number;
  /**
   * Half of its writes of items are held up until the gate is about to pass them. What it reads as dispatcher, and what it
   * takes back, comes late.
   */
  readonly holdsUp?: boolean;
  /** What its watch of the queue tells comes late by up to this. */
  readonly watchLagMs?: number;
}

/** What is going on in all processes at the same time. */
export class Traffic {
  readonly #world: World;
  readonly #keys: QueueKeys;
  readonly #claims = new Set<Claim>();
  readonly held = new HeldWrites();
  readonly #terms = new Map<SimulatedProcess, { incarnation: number; term: number }>();

  constructor(world: World, keys: QueueKeys) {
    this.#world = world;
    this.#keys = keys;
  }

  reached(situation: Situation): void {
    this.#world.reached(situation);
  }

  /** A worker says that it dispatches from now on, or does not any more. */
  dispatching(process: SimulatedProcess, active: boolean, term: number): void {
    if (!active) {
      this.#terms.delete(process);
      return;
    }
    const inFlight = [...this.#claims].some((claim) => claim.term < term && isAlive(claim));
    if (inFlight) this.reached('a takeover with a group of the old term in flight');
    const others = [...this.#terms].some(
      ([other, { incarnation }]) => other !== process && isAlive({ process: other, incarnation }),
    );
    if (others) this.reached('two took themselves for the dispatcher');
    this.#terms.set(process, { incarnation: process.incarnation, term });
  }

  /** The process's store, looked at. */
  watched(process: SimulatedProcess, { store, runtime }: ProcessContext, mishap?: Mishap): Store {
    const look = new Look(this, { process, runtime, mishap, world: this.#world, keys: this.#keys });
    return storeWith(store, {
      range: (request, options) => look.range(request, () => store.range(request, options)),
      txn: (request, options) => look.txn(request, () => store.txn(request, options)),
      watch: (request) => look.watch(request, store.watch(request)),
    });
  }

  sent(claim: Claim): () => void {
    this.#claims.add(claim);
    return () => this.#claims.delete(claim);
  }

  dispatches(process: SimulatedProcess): boolean {
    return this.#terms.get(process)?.incarnation === process.incarnation;
  }
}

function isAlive({ process, incarnation }: { process: SimulatedProcess; incarnation: number }): boolean {
  return process.incarnation === incarnation && process.status !== 'crashed';
}

interface LookParts {
  readonly process: SimulatedProcess;
  readonly runtime: Runtime;
  readonly mishap: Mishap | undefined;
  readonly world: World;
  readonly keys: QueueKeys;
}

/** One incarnation's requests and watches. */
class Look {
  readonly #traffic: Traffic;
  readonly #process: SimulatedProcess;
  readonly #runtime: Runtime;
  readonly #world: World;
  readonly #keys: QueueKeys;
  readonly #mishap: Mishap | undefined;
  #requests = 0;
  /** The dispatcher leaves the rest of the queue in the store. */
  #inBacklog = false;

  constructor(traffic: Traffic, { process, runtime, mishap, world, keys }: LookParts) {
    this.#traffic = traffic;
    this.#process = process;
    this.#runtime = runtime;
    this.#world = world;
    this.#keys = keys;
    this.#mishap = mishap;
  }

  async range(request: RangeRequest, read: () => Promise<RangeResult>): Promise<RangeResult> {
    const { items } = this.#keys;
    const limit = request.limit ?? 0;
    const isOfItems = request.key.startsWith(items.key) && limit > 1;
    if (isOfItems) this.#befall('window');
    const result = await read();
    if (isOfItems) await this.#comeLate();
    const { rangeEnd } = this.#keys.itemsBetween(this.#keys.nameIn(items, request.key), undefined);
    const isLastWindow = request.rangeEnd === rangeEnd && limit > 1 && result.kvs.length < limit;
    if (this.#inBacklog && isLastWindow) {
      this.#inBacklog = false;
      this.#traffic.reached('backlog mode left');
    }
    return result;
  }

  async txn(request: TxnRequest, send: () => Promise<TxnReply>): Promise<TxnReply> {
    const errands = errandsOf(this.#keys, request);
    if (errands.length === 0) {
      const reply = await send();
      if (isLoading(this.#keys, request)) await this.#comeLate();
      return reply;
    }
    const { cluster } = this.#world.simulation;
    const term = cluster.term;
    const { incarnation } = this.#process;
    for (const { errand } of errands) {
      if (errand.type === 'acknowledge') continue;
      this.#befall(errand.type);
      await this.#holdUp(errand);
    }
    const settled = errands.flatMap(({ errand }) =>
      errand.type === 'dispatch' && errand.assigns
        ? [this.#traffic.sent({ process: this.#process, incarnation, term: errand.term })]
        : [],
    );
    try {
      const reply = await send();
      for (const sent of errands) this.#answered(sent, reply);
      return reply;
    } catch (error) {
      for (const { errand } of errands) this.#failed(errand);
      throw error;
    } finally {
      for (const settle of settled) settle();
      if (settled.length > 0 && cluster.term !== term) {
        this.#traffic.reached('the leader of the cluster changed during a claim');
      }
    }
  }

  watch(request: WatchRequest, watch: Watch): Watch {
    if (!isSame(request, this.#keys.watched)) return watch;
    const look = this;
    async function* items(): AsyncGenerator<WatchItem> {
      const { engine } = look.#world.simulation;
      let cutAt: number | undefined;
      for await (const item of watch) {
        if (item.type === 'interrupted') cutAt = engine.revision;
        if (item.type === 'opened' && cutAt !== undefined && look.#traffic.dispatches(look.#process)) {
          if (engine.compactRevision > cutAt) {
            look.#traffic.reached('history was compacted while the watch of the dispatcher was cut');
          }
          cutAt = undefined;
        }
        const { watchLagMs = 0 } = look.#mishap ?? {};
        if (item.type === 'events' && watchLagMs > 0)
          await sleep(look.#runtime, look.#runtime.random() * watchLagMs);
        yield item;
      }
    }
    return { close: () => watch.close(), [Symbol.asyncIterator]: items };
  }

  async #holdUp(errand: Exclude<Errand, { type: 'acknowledge' }>): Promise<void> {
    if (errand.type === 'enqueue') {
      if (this.#mishap?.holdsUp && this.#runtime.random() < 0.5) {
        await this.#traffic.held.hold(errand.first, this.#runtime);
      }
      return;
    }
    if (errand.takesBack) await this.#comeLate();
    if (errand.gate !== undefined) await this.#traffic.held.letGo(errand.gate, this.#runtime);
  }

  async #comeLate(): Promise<void> {
    const { holdsUp } = this.#mishap ?? {};
    if (holdsUp) await sleep(this.#runtime, this.#runtime.random() * latestMs);
  }

  #befall(at: Mishap['at']): void {
    const mishap = this.#mishap;
    if (mishap?.at !== at || mishap.durationMs === 0) return;
    this.#requests += 1;
    if (this.#requests !== mishap.nth) return;
    const { simulation } = this.#world;
    const { kind, durationMs } = mishap;
    simulation.inject({ atMs: simulation.nowMs, durationMs, kind, target: this.#process.index });
  }

  #answered({ errand, request, replyIn }: SentErrand, reply: TxnReply): void {
    const part = replyIn(reply);
    if (part === undefined) return;
    if (errand.type === 'enqueue' && !part.succeeded && request.compare[0]?.target === 'value') {
      this.#traffic.reached('an enqueue came too late and was refused by the gate');
    }
    if (errand.type !== 'dispatch') return;
    if (!part.succeeded) this.#traffic.reached('a write of a deposed dispatcher was refused');
    else if (errand.gate !== undefined) this.#gateMoved(errand.gate);
  }

  #gateMoved(to: string): void {
    const { engine } = this.#world.simulation;
    const [gate] = engine.range({ key: this.#keys.gateOf(levelOf(to)) }).kvs;
    if (gate === undefined) return;
    if (textOf(gate.value) < to) {
      this.#traffic.reached('the gate was not moved past an item that came after the reading');
      return;
    }
    // A place in the middle of the items that wait: the rest stays in the store.
    if (to === placeOf(revisionOf(to), levelOf(to))) {
      if (!this.#inBacklog) this.#traffic.reached('the gate followed the newest items');
    } else if (!this.#inBacklog) {
      this.#inBacklog = true;
      this.#traffic.reached('backlog mode entered');
    }
  }

  #failed(errand: Errand): void {
    if (errand.type !== 'acknowledge') return;
    const { engine } = this.#world.simulation;
    const isGone = engine.range({ key: errand.item, countOnly: true }).count === 0;
    if (isGone) this.#traffic.reached('an acknowledgement was applied and its reply lost');
  }
}

function isSame(left: KeyRange, right: KeyRange): boolean {
  return left.key === right.key && left.rangeEnd === right.rangeEnd;
}
