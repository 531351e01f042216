import type { Engine } from '../../engine/index.js';
import { isQuorateError, QuorateError } from '../../errors.js';
import { checkWaitOptions, type Runtime } from '../../runtime/index.js';
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
import type { ServerCallKind, ServerResult } from '../cluster/server-call.js';
import type { SeededRandom } from '../random.js';
import type { EventHost, EventLoop } from '../time/event-loop.js';
import type { Timeline } from '../timeline.js';
import { describeRange, describeReply, describeResult, describeTxn } from './describe.js';
import type { Link, LinkUser } from './link.js';
import { OpenCall } from './open-call.js';
import { SimulatedWatch } from './simulated-watch.js';

const defaultTimeoutMs = 5_000;

export interface StoreParts {
  readonly loop: EventLoop;
  readonly runtime: Runtime;
  readonly host: EventHost;
  readonly link: Link;
  readonly random: SeededRandom;
  readonly timeline: Timeline;
  readonly actor: string;
}

interface CallSpec<T> {
  readonly kind: ServerCallKind;
  readonly doing: string;
  readonly takesSpace?: boolean;
  readonly apply: (engine: Engine, leaseNowMs: number, member: Member) => T;
  readonly stale?: () => T;
  readonly describe: () => string;
  readonly describeReply: (value: T) => string;
}

/**
 * One process's connection to the cluster, behaving as the adapter over a real one does: it stays with a member while
 * that answers, turns to the next when it does not, sends reads again by itself and writes never, and answers every call,
 * if need be with `unknown`.
 */
export class SimulatedStore implements Store, LinkUser {
  readonly #parts: StoreParts;
  readonly #calls = new Map<OpenCall<unknown>, () => void>();
  readonly #watches = new Set<SimulatedWatch>();
  readonly #offMemberDown: () => void;
  #memberAt: number;
  #connected = true;
  #closed = false;

  constructor(parts: StoreParts) {
    const { link } = parts;
    this.#parts = parts;
    this.#memberAt = link.home % link.cluster.members.length;
    link.join(this);
    this.#offMemberDown = link.cluster.onMemberDown((member) => this.#memberDown(member));
  }

  range(request: RangeRequest, options: CallOptions = {}): Promise<RangeResult> {
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

  txn(request: TxnRequest, options: CallOptions = {}): Promise<TxnReply> {
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
      nextMember: () => this.#nextMember(random.integer(link.cluster.members.length)),
      onClose: (closed) => this.#watches.delete(closed),
    });
    if (this.#closed) watch.fail(closedError('watching'));
    else {
      this.#watches.add(watch);
      watch.open();
    }
    return watch;
  }

  leaseGrant(
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

  leaseKeepAlive(id: LeaseId, options: CallOptions = {}): Promise<number> {
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

  leaseRevoke(id: LeaseId, options: CallOptions = {}): Promise<void> {
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

  leaseTimeToLive(id: LeaseId, options: CallOptions & { readonly keys?: boolean } = {}): Promise<LeaseState> {
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

  compact(revision: number, options: CallOptions = {}): Promise<void> {
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

  status(options: CallOptions = {}): Promise<StoreStatus> {
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
    for (const call of [...this.#calls.keys()]) {
      call.fail({ code: 'closed', message: `the store was closed while ${call.doing}` });
    }
    for (const watch of [...this.#watches]) watch.close();
  }

  connectionLost(): void {
    if (this.#closed || !this.#connected) return;
    this.#turnAway();
    this.#note(() => 'has lost its connection');
    for (const [call, sendAgain] of [...this.#calls]) {
      if (call.kind === 'write' || call.kind === 'renewal') {
        call.fail({ code: 'unavailable', message: `the connection was lost while ${call.doing}` });
      } else sendAgain();
    }
    this.watchesBroken();
  }

  watchesBroken(): void {
    for (const watch of [...this.#watches]) watch.interrupt('the connection was lost');
  }

  linkChanged(): void {
    for (const watch of [...this.#watches]) watch.linkChanged();
  }

  async #call<T>(spec: CallSpec<T>, options: CallOptions): Promise<T> {
    checkWaitOptions(options, spec.doing);
    if (this.#closed) throw closedError(spec.doing);
    const { runtime } = this.#parts;
    const call = new OpenCall<T>(spec.kind, spec.doing, () => {
      this.#calls.delete(call as OpenCall<unknown>);
    });
    this.#calls.set(call as OpenCall<unknown>, () => this.#send(call, spec));
    call.limit(runtime, options, defaultTimeoutMs);
    this.#send(call, spec);
    try {
      const value = await call.promise;
      this.#note(() => `<- ${spec.describe()}: ${spec.describeReply(value)}`);
      return value;
    } catch (error) {
      this.#note(
        () => `<- ${spec.describe()}: ${isQuorateError(error) ? `${error.code}, ${error.outcome}` : error}`,
      );
      if (isQuorateError(error, 'timeout')) this.#turnAway();
      throw error;
    }
  }

  #send<T>(call: OpenCall<T>, spec: CallSpec<T>): void {
    if (call.isSettled) return;
    const { random, link } = this.#parts;
    const { conditions, counts } = link;
    const member = this.#connect();
    if (member === undefined) {
      counts.add('request refused');
      this.#failSoon(call, 'no member can be reached', random.between(1, 300));
      return;
    }
    if (spec.kind === 'renewal' && conditions.lostKeepAlives > 0) {
      counts.add('keep-alive lost');
      if (random.chance(0.5)) this.#failSoon(call, 'the keep-alive was lost', random.between(1, 50));
      return;
    }
    const fate = conditions.lossy > 0 ? random.next() : 1;
    if (fate < 0.1) {
      counts.add('request refused');
      this.#failSoon(call, 'the member refused it', random.between(0, 20));
      return;
    }
    call.isSent = true;
    this.#note(() => `-> ${member.name} ${spec.describe()}`);
    if (fate < 0.2) {
      counts.add('request lost');
      if (random.chance(0.5)) this.#failSoon(call, 'the connection was reset', random.between(0, 100));
      return;
    }
    const isReplyLost = fate < 0.33;
    let delayMs = this.#latencyMs();
    if (spec.kind === 'write' && conditions.late > 0 && random.chance(0.4)) {
      delayMs = random.between(20, 6_000);
      if (random.chance(0.6)) this.#failSoon(call, 'the connection was reset', random.between(0, 100));
    }
    this.#parts.loop.afterInternally(delayMs, () => this.#arrive(call, spec, member, isReplyLost));
  }

  #arrive<T>(call: OpenCall<T>, spec: CallSpec<T>, member: Member, isReplyLost: boolean): void {
    const { link, random, loop } = this.#parts;
    if (link.conditions.cutRequests > 0) {
      link.counts.add('request cut off');
      if (random.chance(0.5)) {
        link.hold(() =>
          loop.afterInternally(this.#latencyMs(), () => this.#arrive(call, spec, member, isReplyLost)),
        );
      }
      return;
    }
    link.cluster.submit(member, {
      kind: spec.kind,
      takesSpace: spec.takesSpace ?? false,
      apply: spec.apply,
      ...(spec.stale === undefined ? {} : { stale: spec.stale }),
      reply: (result) => this.#reply(call, result as ServerResult<T>, isReplyLost),
      isForgotten: () => call.isSettled,
    });
  }

  #reply<T>(call: OpenCall<T>, result: ServerResult<T>, isLost: boolean): void {
    const { link, random, loop, host } = this.#parts;
    if (isLost) {
      link.counts.add('reply lost');
      if (random.chance(0.5)) this.#failSoon(call, 'the connection was reset', random.between(0, 100));
      return;
    }
    if (call.isSettled) return;
    loop.after(this.#latencyMs(), () => this.#receive(call, result), host);
  }

  #receive<T>(call: OpenCall<T>, result: ServerResult<T>): void {
    const { link, random, loop, host } = this.#parts;
    if (link.conditions.cutReplies === 0) {
      call.settle(result);
      return;
    }
    link.counts.add('reply cut off');
    if (!random.chance(0.3)) return;
    link.hold(() => loop.after(this.#latencyMs(), () => this.#receive(call, result), host));
  }

  #failSoon<T>(call: OpenCall<T>, message: string, delayMs: number): void {
    const { loop, host } = this.#parts;
    loop.after(delayMs, () => call.fail({ code: 'unavailable', message }), host);
  }

  /** The next request connects to another member, if there is one. */
  #turnAway(): void {
    this.#connected = false;
    this.#memberAt += 1;
  }

  /** The member to send to; connects anew where the connection is known to be lost. */
  #connect(): Member | undefined {
    const { link } = this.#parts;
    // Though it be down: nobody has noticed yet, and what is sent is lost.
    if (this.#connected) return link.cluster.members[this.#memberAt % link.cluster.members.length];
    const member = link.isWhole ? this.#nextMember(0) : undefined;
    if (member === undefined) return undefined;
    this.#connected = true;
    this.#memberAt = member.index;
    return member;
  }

  #nextMember(ahead: number): Member | undefined {
    const { members } = this.#parts.link.cluster;
    for (let step = 0; step < members.length; step += 1) {
      const member = members[(this.#memberAt + ahead + step) % members.length];
      if (member?.isUp) return member;
    }
    return undefined;
  }

  #memberDown(member: Member): void {
    const { loop, host, link, random } = this.#parts;
    if (member !== link.cluster.members[this.#memberAt % link.cluster.members.length]) return;
    // A process that dies closes its connections; a machine that does leaves them silent.
    const noticedMs = random.chance(0.7) ? this.#latencyMs() : random.between(1_000, 8_000);
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

  #latencyMs(): number {
    const { random, link } = this.#parts;
    const extraMs = link.conditions.slow > 0 ? random.between(0, 300) : 0;
    return random.between(link.latencyMs.min, link.latencyMs.max) + extraMs;
  }

  #note(text: () => string): void {
    this.#parts.timeline.note(this.#parts.actor, text);
  }
}

function puts(request: TxnRequest): boolean {
  const put = (op: Op): boolean => op.type === 'put' || (op.type === 'txn' && puts(op));
  return request.success.some(put) || request.failure.some(put);
}

function closedError(doing: string): QuorateError {
  return new QuorateError('closed', `the store is closed: cannot go on ${doing}`);
}
