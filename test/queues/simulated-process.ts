import { QuorateError } from '../../src/errors.js';
import { sleep } from '../../src/runtime/index.js';
import { Client } from '../../src/session/index.js';
import type { Store, Watch, WatchItem } from '../../src/store/index.js';
import { type FaultyStore, type FaultyStoreOptions, faultyStore } from '../support/faulty-store.js';
import { ManualRuntime, type ManualTime } from '../support/manual-runtime.js';

/** One way; requests and watch items draw their own. */
const longestDelayMs = 12;

/**
 * A process with clocks, connection and client of its own, that can stand still (nothing reaches it, no timer fires;
 * what it sent is on its way), be cut off, or be dead, which is being cut off for ever.
 */
export class SimulatedProcess {
  readonly runtime: ManualRuntime;
  /** The network on the other side of this process's socket: what is late in it arrives though the process be dead. */
  readonly network: FaultyStore;
  readonly #gate: Gate;
  readonly #store: Store;

  constructor(options: { time: ManualTime; store: Store; seed: number; faults?: FaultyStoreOptions }) {
    this.runtime = new ManualRuntime({ time: options.time, seed: options.seed });
    this.#gate = new Gate();
    this.network = faultyStore(options.store, { seed: options.seed, ...options.faults });
    // The wire is a machine of its own: it goes on while the process stands still.
    const wire = new ManualRuntime({ time: options.time, seed: options.seed });
    const delay = () => sleep(wire, Math.round(wire.random() * longestDelayMs));
    this.#store = gatedStore(this.network, this.#gate, delay);
  }

  connect(namespace: string): Promise<Client> {
    return Client.open({
      store: this.#store,
      namespace,
      runtime: this.runtime,
      ttlMs: 2_000,
      connectTimeoutMs: 60_000,
      abortMs: 100,
    });
  }

  get isDead(): boolean {
    return this.#gate.dead;
  }

  pause(): void {
    this.runtime.pause();
    this.#gate.close();
  }

  resume(): void {
    if (this.#gate.dead) return;
    this.#gate.open();
    this.runtime.resume();
  }

  /** Requests fail, and watches fall silent. */
  cut(): void {
    this.#gate.cut = true;
  }

  mend(): void {
    if (!this.#gate.dead) this.#gate.mend();
  }

  /** Keep-alives fail, and nothing else: the session ends while the process goes on talking. */
  mute(): void {
    this.#gate.mute = true;
  }

  unmute(): void {
    this.#gate.mute = false;
  }

  kill(): void {
    this.#gate.dead = true;
    this.#gate.cut = true;
    this.pause();
  }
}

class Gate {
  cut = false;
  mute = false;
  dead = false;
  #opened: Promise<void> | undefined;
  #open: () => void = () => {};
  #onMend: (() => void)[] = [];

  close(): void {
    this.#opened ??= new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  open(): void {
    this.#opened = undefined;
    this.#open();
  }

  mend(): void {
    this.cut = false;
    for (const resume of this.#onMend.splice(0)) resume();
  }

  async mended(): Promise<void> {
    while (this.cut) await new Promise<void>((resolve) => this.#onMend.push(resolve));
  }

  async pass(): Promise<void> {
    while (this.#opened !== undefined) await this.#opened;
  }
}

function gatedStore(store: Store, gate: Gate, delay: () => Promise<void>): Store {
  const gated = async <T>(send: () => Promise<T>): Promise<T> => {
    await gate.pass();
    if (gate.cut) throw new QuorateError('unavailable', 'cut off');
    await delay();
    const reply = await send();
    await delay();
    await gate.pass();
    if (gate.cut) throw new QuorateError('unavailable', 'cut off', { outcome: 'unknown' });
    return reply;
  };
  return {
    txn: (request) => gated(() => store.txn(request)),
    range: (request) => gated(() => store.range(request)),
    leaseGrant: (request) => gated(() => store.leaseGrant(request)),
    leaseKeepAlive: (id) =>
      gate.mute
        ? Promise.reject(new QuorateError('unavailable', 'muted'))
        : gated(() => store.leaseKeepAlive(id)),
    leaseRevoke: (id) => gated(() => store.leaseRevoke(id)),
    leaseTimeToLive: (id, options) => gated(() => store.leaseTimeToLive(id, options)),
    compact: (revision) => gated(() => store.compact(revision)),
    status: () => gated(() => store.status()),
    watch: (request) => gatedWatch(store, request, gate, delay),
    close: () => store.close(),
  };
}

/** While cut off it says nothing; once mended it is told of the cut, and stands anew. */
function gatedWatch(
  store: Store,
  request: Parameters<Store['watch']>[0],
  gate: Gate,
  delay: () => Promise<void>,
): Watch {
  let inner = store.watch(request);
  let closed = false;
  async function* items(): AsyncGenerator<WatchItem> {
    for (;;) {
      let wasCut = false;
      for await (const item of inner) {
        await delay();
        await gate.pass();
        if (closed) return;
        if (gate.cut) {
          wasCut = true;
          break;
        }
        yield item;
      }
      if (!wasCut) return;
      await gate.mended();
      if (closed) return;
      yield { type: 'interrupted', error: new Error('cut off') };
      inner = store.watch(request);
    }
  }
  return {
    close() {
      closed = true;
      inner.close();
    },
    [Symbol.asyncIterator]: () => items(),
  };
}
