import { invalidArgument, shown } from '../errors.js';
import { type Runtime, systemRuntime } from '../runtime/index.js';
import { checkName, Keyspace, type Store } from '../store/index.js';
import { type ClockBounds, checkClockBounds, checkTtl } from './deadline.js';

export interface ClientOptions {
  /** The store to coordinate through: see `quorate/etcd3`, `quorate/memory`. */
  store: Store;
  /** First segment of every key; clients of different namespaces never meet. Default `'quorate'`. */
  namespace?: string;
  /** Default: the real clocks, timers and randomness of this process. */
  runtime?: Runtime;
  /** For people who look at the keys: who is this. `host:pid` is a good one. Default `'client-'` and its id. */
  label?: string;
  /** TTL of sessions in ms, rounded up to whole seconds; at least 2,000. Default 10,000. */
  ttlMs?: number;
  /** The largest error of any clock's rate, the server's or ours, as a fraction. Default 0.01. */
  clockRateError?: number;
  /** Ms from a session's abort until the last effect of what it held has left this process. Default 300. */
  abortMs?: number;
  /** How many groups of transactions may be in flight at a time: see `CommitStore`. */
  lanes?: number;
  /**
   * How long in ms the event loop must have stood still before `onStall` or, if nobody listens, a process warning tells
   * of it. 0 or `Infinity`: never. Default: a tenth of the session's TTL.
   */
  stallWarningMs?: number;
  /** Opening the client or a session fails with `unreachable` after so many ms. Default 5,000. */
  connectTimeoutMs?: number;
  /** Close `store` when the client is closed. Default false. */
  closeStore?: boolean;
}

export interface ClientSettings {
  readonly store: Store;
  readonly keys: Keyspace;
  readonly runtime: Runtime;
  readonly id: string;
  readonly label: string;
  readonly ttlSeconds: number;
  readonly bounds: ClockBounds;
  readonly lanes: number | undefined;
  readonly stallWarningMs: number | undefined;
  readonly connectTimeoutMs: number;
  readonly closeStore: boolean;
}

/** Fills in the defaults; refuses what makes no sense with `invalid-argument`. */
export function checkClientOptions(options: ClientOptions): ClientSettings {
  if (typeof options !== 'object' || options === null) {
    throw invalidArgument(`options are of type ${typeof options}`, 'an object with a store');
  }
  const {
    store,
    lanes,
    stallWarningMs,
    runtime = systemRuntime,
    closeStore = false,
    connectTimeoutMs = 5_000,
  } = options;
  if (typeof store !== 'object' || store === null || typeof store.txn !== 'function') {
    throw invalidArgument('store is not a Store', 'what openEtcd3Store resolves to, or another Store');
  }
  if (typeof connectTimeoutMs !== 'number' || !Number.isFinite(connectTimeoutMs) || connectTimeoutMs <= 0) {
    throw invalidArgument(
      `connectTimeoutMs is ${shown(connectTimeoutMs)}`,
      'a finite number of milliseconds above 0',
    );
  }
  if (lanes !== undefined && !(Number.isInteger(lanes) && lanes >= 1)) {
    throw invalidArgument(`lanes is ${shown(lanes)}`, 'a whole number from 1');
  }
  if (stallWarningMs !== undefined && !(typeof stallWarningMs === 'number' && stallWarningMs >= 0)) {
    throw invalidArgument(`stallWarningMs is ${shown(stallWarningMs)}`, 'a number of milliseconds from 0');
  }
  if (typeof closeStore !== 'boolean') {
    throw invalidArgument(`closeStore is ${shown(closeStore)}`, 'true or false');
  }
  const beside = store.leaseRenewer?.runtime;
  if (beside !== undefined && beside !== runtime) {
    throw invalidArgument(
      'runtime is another than that by which the store renews its leases',
      "none with renewal: 'worker'",
    );
  }
  const bounds = { clockRateError: options.clockRateError ?? 0.01, abortMs: options.abortMs ?? 300 };
  checkClockBounds(bounds);
  const ttlSeconds = checkTtl(options.ttlMs ?? 10_000, bounds);
  const keys = new Keyspace(options.namespace ?? 'quorate');
  const id = runtime.newId();
  const label = options.label ?? `client-${id}`;
  checkName(label, 'label');
  return {
    ...{ store, keys, runtime, id, label, ttlSeconds, bounds, lanes },
    ...{ stallWarningMs, connectTimeoutMs, closeStore },
  };
}
