import { invalidArgument, QuorateError, shown } from '../../errors.js';
import {
  abortedError,
  checkWaitOptions,
  linkedSignal,
  type Runtime,
  sharedController,
  systemRuntime,
  type WaitOptions,
  waitFor,
} from '../../runtime/index.js';
import { type FenceStore, MemoryFenceStore } from './fence-store.js';

export interface FencedResourcesOptions {
  /** Where the newest token of each resource is kept. Default: this process's memory, which forgets in a restart. */
  store?: FenceStore;
  /** For timeouts. Default: the clocks and timers of this process. */
  runtime?: Runtime;
}

/** What is known of a resource while requests for it are here. */
interface Entry {
  newest: number;
  /** Fires when a token newer than `newest` comes. */
  superseded: AbortController;
  /** Resolves when every request that came so far is over. Never rejects. */
  tail: Promise<void>;
  requests: number;
}

interface Visit {
  readonly turn: Promise<void>;
  readonly superseded: AbortSignal;
  readonly entry: Entry;
  leave(): void;
}

/**
 * A guard before a store of your own, for the service that applies what holders of a lock ask for. Each request brings
 * the fencing token of its hold; one whose token is older than the newest seen for its resource is refused with `fenced`.
 *
 * **Guaranteed**, for each resource, as long as all its requests pass through this one object: effects never overlap;
 * once work of a token has begun, none of an older token begins, however long it was on its way; requests of one
 * token (one hold) begin in the order in which they came. With a durable {@link FenceStore}, over restarts too.
 *
 * **A newer token comes while older work runs:** the hold of the older one has ended, so its work's signal fires at
 * once (reason: `fenced`, outcome `unknown`), what waits with an older token is refused, and the newer work begins when
 * the older one has settled, however that ended. Work that never settles keeps newer ones waiting: obey the signal.
 *
 * **Not guaranteed:** anything of effects that go on after their work has settled. That two processes of one service
 * keep out of each other's way, even over one `FenceStore`: between the check here and the effect, the other may let a
 * newer token in; there the token must be checked in the transaction that writes (docs/fencing.md). And until a
 * new holder's first request has come, the last holder's are accepted: it must send one before it trusts what it reads.
 *
 * Cost: one `advance` of the store a request. In memory: one entry for each resource with requests under way.
 */
export class FencedResources {
  readonly #store: FenceStore;
  readonly #runtime: Runtime;
  readonly #entries = new Map<string, Entry>();

  constructor(options: FencedResourcesOptions = {}) {
    if (typeof options !== 'object' || options === null) {
      throw invalidArgument(`options are of type ${typeof options}`, 'an object, or none');
    }
    const { store = new MemoryFenceStore(), runtime = systemRuntime } = options;
    if (typeof store?.advance !== 'function') throw invalidArgument('store has no advance', 'a FenceStore');
    this.#store = store;
    this.#runtime = runtime;
  }

  /**
   * Runs `work` if no newer token than `token` is known for the resource, and answers what it answers. `signal` and
   * `timeoutMs` end the wait; once work has begun, `signal` reaches it through its own and it is waited for. Not
   * reentrant: work that runs more under the same resource waits for itself.
   *
   * Errors: `fenced` (details: resource, token, newest), its work not begun; `aborted` and `timeout`, the same;
   * `invalid-argument` for a token that no lock gives; whatever the store or the work rejects with.
   */
  async run<T>(
    resource: string,
    token: number,
    work: (signal: AbortSignal) => Promise<T> | T,
    options: WaitOptions = {},
  ): Promise<T> {
    checkRequest(resource, token, work);
    const doing = `waiting for the turn of token ${token} at ${JSON.stringify(resource)}`;
    checkWaitOptions(options, doing);
    const visit = this.#enter(resource, token);
    const { entry, superseded } = visit;
    const link = linkedSignal(options.signal, superseded);
    try {
      await this.#admit(visit, resource, token, { ...options, signal: link.signal }, doing).catch((error) => {
        throw superseded.aborted ? fenced(resource, token, entry.newest) : error;
      });
      // Between the answer of the store and here, others had their turn of the event loop.
      if (superseded.aborted) throw fenced(resource, token, entry.newest);
      if (link.signal.aborted) throw abortedError(link.signal, doing);
      return await work(link.signal);
    } finally {
      link.unlink();
      visit.leave();
    }
  }

  /** Takes its turn behind everything that came before, and refuses or overtakes by what is known here. */
  #enter(resource: string, token: number): Visit {
    const entry = this.#entries.get(resource) ?? {
      newest: token,
      superseded: sharedController(),
      tail: Promise.resolve(),
      requests: 0,
    };
    if (token < entry.newest) throw fenced(resource, token, entry.newest);
    this.#entries.set(resource, entry);
    if (token > entry.newest) {
      const { newest, superseded } = entry;
      entry.newest = token;
      entry.superseded = sharedController();
      superseded.abort(fenced(resource, newest, token, 'unknown'));
    }
    const turn = entry.tail;
    let end = () => {};
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    entry.tail = turn.then(() => ended);
    entry.requests += 1;
    const leave = () => {
      end();
      entry.requests -= 1;
      if (entry.requests === 0) this.#entries.delete(resource);
    };
    return { turn, superseded: entry.superseded.signal, entry, leave };
  }

  async #admit(visit: Visit, resource: string, token: number, options: WaitOptions, doing: string) {
    let waiting = true;
    const asked = visit.turn.then(() => (waiting ? this.#store.advance(resource, token) : token));
    const newest = await waitFor(this.#runtime, asked, options, doing).finally(() => {
      waiting = false;
    });
    if (typeof newest !== 'number' || !(newest >= token)) {
      throw invalidArgument(
        `the fence store answered ${String(newest)}, of type ${typeof newest}, to ${token}`,
        'the newest token as a number, which is the one given or above it',
      );
    }
    if (newest > token) throw fenced(resource, token, newest);
  }
}

function fenced(resource: string, token: number, newest: number, outcome?: 'unknown'): QuorateError {
  return new QuorateError('fenced', `token ${token} is older than ${newest}: its hold has ended`, {
    details: { resource, token, newest },
    ...(outcome && { outcome }),
  });
}

/** 0 is what a missing header or field easily becomes; no lock gives it. */
function checkRequest(resource: unknown, token: unknown, work: unknown): void {
  if (typeof resource !== 'string') {
    throw invalidArgument(`resource is of type ${typeof resource}`, 'the name of a resource');
  }
  if (!Number.isSafeInteger(token) || Number(token) < 1) {
    throw invalidArgument(`token is ${shown(token)}, of type ${typeof token}`, 'a safe integer above 0');
  }
  if (typeof work !== 'function') throw invalidArgument(`work is of type ${typeof work}`, 'a function');
}
