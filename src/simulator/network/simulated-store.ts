import type { Engine } from '../../engine/index.js';
import { QuorateError } from '../../errors.js';
import {
  type CallOptions,
  type LeaseGrant,
  type LeaseId,
  type LeaseState,
  type Op,
  type RangeRequest,
  type RangeResult,
  type Store,
  type StoreStatus,
  type TxnReply,
  type TxnRequest,
  validateWatch,
  type Watch,
  type WatchRequest,
  writes,
} from '../../store/index.js';
import type { Member } from '../cluster/member.js';
import { type CallSpec, Connection, type ConnectionParts } from './connection.js';
import { describeRange, describeReply, describeResult, describeTxn } from './describe.js';
import type { LinkUser } from './link.js';
import { SimulatedWatch } from './simulated-watch.js';

/**
 * One process's connection to the cluster, behaving as the adapter over a real one does: it stays with a member while
 * that answers, turns to the next when it does not, sends reads again by itself and writes never, and answers every call,
 * if need be with `unknown`.
 */
export class SimulatedStore implements Store, LinkUser {
  readonly #parts: ConnectionParts;
  readonly #connection: Connection;
  readonly #watches = new Set<SimulatedWatch>();
  readonly #offMemberDown: () => void;
  #closed = false;

  constructor(parts: ConnectionParts) {
    const { link } = parts;
    this.#parts = parts;
    this.#connection = new Connection(parts);
    link.join(this);
    this.#offMemberDown = link.cluster.onMemberDown((member) => this.#memberDown(member));
  }

  async range(request: RangeRequest, options: CallOptions = {}): Promise<RangeResult> {
    return this.#call(
      {
        kind: request.serializable ? 'local' : 'read',
        doing: 'reading a range',
        apply: (engine, _, member) => this.#read(engine, request, member),
        describe: () => `get ${describeRange(request)}`,
        describeReply: describeResult,
      },
      options,
    );
  }

  async txn(request: TxnRequest, options: CallOptions = {}): Promise<TxnReply> {
    return this.#call(
      {
        kind: writes(request) ? 'write' : 'read',
        doing: 'applying a transaction',
        takesSpace: puts(request),
        apply: (engine) => engine.txn(request),
        describe: () => describeTxn(request),
        describeReply,
      },
      options,
    );
  }

  watch(request: WatchRequest): Watch {
    validateWatch(request);
    const { loop, host, link, random, timeline, actor } = this.#parts;
    const watch = new SimulatedWatch(request, {
      ...{ loop, host, link, timeline, actor },
      random: random.fork(`watch ${loop.nowMs} ${this.#watches.size}`),
      nextMember: () => this.#connection.nextMember(random.integer(link.cluster.members.length)),
      onClose: (closed) => this.#watches.delete(closed),
    });
    if (this.#closed) watch.fail(closedError('watching'));
    else {
      this.#watches.add(watch);
      watch.open();
    }
    return watch;
  }

  async leaseGrant(
    { id, ttlSeconds }: { readonly id: LeaseId; readonly ttlSeconds: number },
    options: CallOptions = {},
  ): Promise<LeaseGrant> {
    return this.#call(
      {
        kind: 'write',
        doing: 'granting a lease',
        takesSpace: true,
        apply: (engine, nowMs) => engine.leaseGrant(id, ttlSeconds, nowMs),
        describe: () => `grant lease ${id} for ${ttlSeconds} s`,
        describeReply: () => 'granted',
      },
      options,
    );
  }

  async leaseKeepAlive(id: LeaseId, options: CallOptions = {}): Promise<number> {
    const { cluster } = this.#parts.link;
    return this.#call(
      {
        kind: 'renewal',
        doing: 'keeping a lease alive',
        apply: (engine, nowMs) => engine.leaseKeepAlive(id, nowMs),
        stale: () => cluster.staleTtlSeconds(id),
        describe: () => `keep lease ${id} alive`,
        describeReply: (ttlSeconds) => `for ${ttlSeconds} s`,
      },
      options,
    );
  }

  async leaseRevoke(id: LeaseId, options: CallOptions = {}): Promise<void> {
    return this.#call(
      {
        kind: 'write',
        doing: 'revoking a lease',
        apply: (engine) => engine.leaseRevoke(id),
        describe: () => `revoke lease ${id}`,
        describeReply: () => 'revoked',
      },
      options,
    );
  }

  async leaseTimeToLive(
    id: LeaseId,
    options: CallOptions & { readonly keys?: boolean } = {},
  ): Promise<LeaseState> {
    return this.#call(
      {
        kind: 'read',
        doing: 'asking for the time to live of a lease',
        apply: (engine, nowMs) => engine.leaseTimeToLive(id, nowMs, { keys: options.keys ?? false }),
        describe: () => `time to live of lease ${id}`,
        describeReply: ({ remainingSeconds }) => `${remainingSeconds} s`,
      },
      options,
    );
  }

  async compact(revision: number, options: CallOptions = {}): Promise<void> {
    return this.#call(
      {
        kind: 'write',
        doing: 'compacting history',
        apply: (engine) => engine.compact(revision),
        describe: () => `compact up to ${revision}`,
        describeReply: () => 'compacted',
      },
      options,
    );
  }

  async status(options: CallOptions = {}): Promise<StoreStatus> {
    const { loop } = this.#parts;
    return this.#call(
      {
        kind: 'local',
        doing: 'asking for the status',
        apply: (_engine, _nowMs, member) => ({
          version: 'simulated',
          revision: member.applied(loop.nowMs),
          clusterId: 'simulated',
        }),
        describe: () => 'status',
        describeReply: ({ revision }) => `at ${revision}`,
      },
      options,
    );
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#parts.link.leave(this);
    this.#offMemberDown();
    this.#connection.close();
    for (const watch of [...this.#watches]) watch.close();
  }

  connectionLost(): void {
    this.#notice(() => {
      if (this.#closed || !this.#connection.isConnected) return;
      this.#connection.lost();
      this.#interruptWatches();
    });
  }

  watchesBroken(): void {
    this.#notice(() => this.#interruptWatches());
  }

  linkChanged(): void {
    for (const watch of [...this.#watches]) watch.linkChanged();
  }

  /** A process that stands still notices when it goes on, and one that is dead never. */
  #notice(what: () => void): void {
    const { loop, host } = this.#parts;
    loop.after(0, what, host);
  }

  #interruptWatches(): void {
    for (const watch of [...this.#watches]) watch.interrupt('the connection was lost');
  }

  async #call<T>(spec: CallSpec<T>, options: CallOptions): Promise<T> {
    if (this.#closed) throw closedError(spec.doing);
    return this.#connection.call(spec, options);
  }

  #memberDown(member: Member): void {
    const { loop, host, random } = this.#parts;
    if (member !== this.#connection.member) return;
    // A process that dies closes its connections; a machine that does leaves them silent.
    const noticedMs = random.chance(0.7) ? random.between(0, 5) : random.between(1_000, 8_000);
    loop.after(noticedMs, () => this.connectionLost(), host);
  }

  #read(engine: Engine, request: RangeRequest, member: Member): RangeResult {
    const { serializable, ...asked } = request;
    if (!serializable) return engine.range(asked);
    const applied = Math.max(member.applied(this.#parts.loop.nowMs), engine.compactRevision);
    if (request.revision || applied >= engine.revision) return engine.range(asked);
    this.#parts.link.counts.add('stale read');
    return { ...engine.range({ ...asked, revision: applied }), revision: applied };
  }
}

function puts(request: TxnRequest): boolean {
  const put = (op: Op): boolean => op.type === 'put' || (op.type === 'txn' && puts(op));
  return request.success.some(put) || request.failure.some(put);
}

function closedError(doing: string): QuorateError {
  return new QuorateError('closed', `the store is closed: cannot go on ${doing}`);
}
