import { QuorateError } from '../errors.js';
import type {
  CallOptions,
  LeaseGrant,
  LeaseId,
  LeaseState,
  RangeRequest,
  RangeResult,
  Store,
  StoreStatus,
  TxnReply,
  TxnRequest,
  Watch,
  WatchRequest,
} from '../store/index.js';
import { writes } from '../store/index.js';
import type { Connection, Manner } from './connection.js';
import { leaseNumber } from './encode.js';
import { KeepAlives } from './keep-alive.js';
import { methods } from './methods.js';
import { Etcd3Watch } from './watch.js';
import { WatchStream } from './watch-stream.js';

const manners = {
  range: { kind: 'read', doing: 'reading' },
  serializable: { kind: 'read', doing: 'reading', anyMember: true },
  readTxn: { kind: 'read', doing: 'running a read-only transaction' },
  txn: { kind: 'write', doing: 'running a transaction' },
  leaseGrant: { kind: 'write', doing: 'granting a lease' },
  leaseRevoke: { kind: 'write', doing: 'revoking a lease' },
  leaseTimeToLive: { kind: 'read', doing: 'reading the time to live of a lease' },
  compact: { kind: 'write', doing: 'compacting' },
  status: { kind: 'read', doing: 'asking for the status', anyMember: true },
} as const satisfies Record<string, Manner>;

/** The store over a cluster of etcd. */
export class Etcd3Store implements Store {
  readonly #connection: Connection;
  readonly #keepAlives: KeepAlives;
  readonly #watches: WatchStream;
  readonly #release: () => void;
  #closing: Promise<void> | undefined;

  /** `release` closes the clients that were made for this store. */
  constructor(connection: Connection, callTimeoutMs: number, release: () => void) {
    this.#connection = connection;
    this.#keepAlives = new KeepAlives(connection, callTimeoutMs);
    this.#watches = new WatchStream(connection);
    this.#release = release;
  }

  async range(request: RangeRequest, options: CallOptions = {}): Promise<RangeResult> {
    const manner = request.serializable ? manners.serializable : manners.range;
    return this.#connection.call(methods.range, request, manner, options);
  }

  async txn(request: TxnRequest, options: CallOptions = {}): Promise<TxnReply> {
    const manner = writes(request) ? manners.txn : manners.readTxn;
    return this.#connection.call(methods.txn, request, manner, options);
  }

  watch(request: WatchRequest): Watch {
    const watch = new Etcd3Watch(request, this.#watches);
    if (this.#connection.closed) watch.fail(new QuorateError('closed', 'the store is closed'));
    else this.#watches.add(watch);
    return watch;
  }

  async leaseGrant(
    request: { readonly id: LeaseId; readonly ttlSeconds: number },
    options: CallOptions = {},
  ): Promise<LeaseGrant> {
    return this.#connection.call(methods.leaseGrant, request, manners.leaseGrant, options);
  }

  async leaseKeepAlive(id: LeaseId, options: CallOptions = {}): Promise<number> {
    return this.#keepAlives.keepAlive(leaseNumber(id), options);
  }

  async leaseRevoke(id: LeaseId, options: CallOptions = {}): Promise<void> {
    return this.#connection.call(methods.leaseRevoke, id, manners.leaseRevoke, options);
  }

  async leaseTimeToLive(
    id: LeaseId,
    options: CallOptions & { readonly keys?: boolean } = {},
  ): Promise<LeaseState> {
    const request = { id, keys: options.keys ?? false };
    return this.#connection.call(methods.leaseTimeToLive, request, manners.leaseTimeToLive, options);
  }

  async compact(revision: number, options: CallOptions = {}): Promise<void> {
    return this.#connection.call(methods.compact, revision, manners.compact, options);
  }

  async status(options: CallOptions = {}): Promise<StoreStatus> {
    return this.#connection.call(methods.status, undefined, manners.status, options);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Streams first: a client that is closed under a live stream leaves it behind (B14). */
  async #close(): Promise<void> {
    this.#watches.close();
    this.#connection.close();
    this.#keepAlives.close(
      new QuorateError('closed', 'the store was closed while keeping a lease alive', { outcome: 'unknown' }),
    );
    await this.#connection.runtime.nextTurn();
    this.#release();
  }
}
