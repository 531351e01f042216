/**
 * An etcd cluster, as its clients see one: n members over one engine. What raft does is not played but taken for granted:
 * the engine is the committed state. What is played is what clients notice of it.
 *
 * - A write needs a leader that reaches a quorum both ways, and is reached by the member that was asked. It is applied in
 *   one step after a while. Without such a path it waits at the member, times out there after 7 s, and may still be
 *   committed once the path is back: long after its caller was told that nobody knows.
 * - A linearizable read needs the same path; a serializable one shows what the member has applied, however old.
 * - Members apply what was committed each in its own time. Watches show what their member has applied; a member that knows
 *   no leader for four election timeouts ends them.
 * - A change of leader restarts the TTL of every lease. Leases are renewed by the leader alone, by its clock, and expire
 *   late, never early.
 */
import type { Engine } from '../../engine/index.js';
import type { LeaseId, WatchRequest } from '../../store/index.js';
import type { FaultCounts } from '../faults/fault-counts.js';
import type { SeededRandom } from '../random.js';
import type { EventLoop } from '../time/event-loop.js';
import type { Timeline } from '../timeline.js';
import { Leadership } from './leadership.js';
import { LeaseExpiry } from './lease-expiry.js';
import { Member } from './member.js';
import { Replication } from './replication.js';
import { leaderChanged, noSpace, resultOf, type ServerCall, timedOut } from './server-call.js';
import type { ServerWatch, WatchReceiver } from './server-watch.js';

/** etcd gives up what it cannot decide after 5 s and two election timeouts. */
const requestTimeoutMs = 5_000;
/** How long what timed out may still lie in somebody's log. */
const afterlifeMs = 3_000;
const longestCommitMs = 1;

interface ParkedCall {
  readonly member: Member;
  readonly call: ServerCall;
  readonly term: number;
  answered: boolean;
}

export interface ClusterParts {
  readonly engine: Engine;
  readonly loop: EventLoop;
  readonly random: SeededRandom;
  readonly timeline: Timeline;
  readonly counts: FaultCounts;
  readonly memberCount: number;
  readonly clockRateError: number;
  readonly electionTimeoutMs: number;
}

export class Cluster {
  readonly engine: Engine;
  readonly members: readonly Member[];
  readonly #parts: ClusterParts;
  readonly #leadership: Leadership;
  readonly #replication: Replication;
  readonly #leases: LeaseExpiry;
  readonly #downListeners = new Set<(member: Member) => void>();
  readonly #frozenCalls = new Map<Member, ServerCall[]>();
  /** The leases that a leader knew when it stopped. */
  readonly #staleTtls = new Map<LeaseId, number>();
  #parked: ParkedCall[] = [];
  #fullWindows = 0;

  constructor(parts: ClusterParts) {
    const { engine, loop, random, memberCount, clockRateError } = parts;
    this.engine = engine;
    this.#parts = parts;
    this.members = Array.from({ length: memberCount }, (_, index) => {
      const chance = random.fork(`member ${index}`);
      return new Member(index, 1 + chance.between(-clockRateError, clockRateError), chance);
    });
    this.#leadership = new Leadership({
      ...parts,
      members: this.members,
      onElected: (leader) => this.#leases.restart(leader),
      onQuorum: () => this.#reconnect(),
      onLeaderless: (member) => this.#replication.breakWatches(member, 'etcdserver: no leader'),
    });
    this.#replication = new Replication(engine, loop, this.members, this.#leadership);
    this.#leases = new LeaseExpiry({
      ...parts,
      clockRate: this.#leadership.leader?.clockRate ?? 1,
      canCommit: () => this.#leadership.active !== undefined,
      onExpired: () => this.#replication.spread(),
    });
  }

  get leader(): Member | undefined {
    return this.#leadership.leader;
  }

  /** Rises with each leader. */
  get term(): number {
    return this.#leadership.term;
  }

  /** Calls `listener` when a member goes down; answers the function that ends that. */
  onMemberDown(listener: (member: Member) => void): () => void {
    this.#downListeners.add(listener);
    return () => this.#downListeners.delete(listener);
  }

  /** A request arrives at a member's door. */
  submit(member: Member, call: ServerCall): void {
    if (!member.isUp) return;
    if (member.frozen > 0) this.#frozenCalls.get(member)?.push(call);
    else if (call.kind === 'local') call.reply(resultOf(() => this.#apply(member, call)));
    else if (this.#answersStale(member, call)) return;
    else if (!this.#canDecide(member, call)) this.#park(member, call);
    else this.#decideWithin(longestCommitMs, member, call);
  }

  /** Throws what the engine refuses. */
  openWatch(member: Member, request: WatchRequest, receiver: WatchReceiver): ServerWatch {
    const watch = this.#replication.openWatch(member, request, receiver);
    this.#leadership.watchForLeader(member);
    return watch;
  }

  closeWatch(watch: ServerWatch): void {
    this.#replication.closeWatch(watch);
  }

  /** Drops history below `revision`, at once and past everything. */
  compact(revision: number): void {
    this.engine.compact(revision);
    this.#note(`history is compacted up to ${revision}`);
  }

  /** Puts are answered with `no-space` until the answer is called. */
  fillUp(): () => void {
    this.#fullWindows += 1;
    return () => {
      this.#fullWindows -= 1;
    };
  }

  crashMember(member: Member): void {
    if (!member.isUp) return;
    member.isUp = false;
    this.#note(`${member.name} goes down`);
    this.#replication.breakWatches(member, `${member.name} is down`);
    for (const listener of [...this.#downListeners]) listener(member);
    this.#leadership.topologyChanged();
  }

  restartMember(member: Member): void {
    if (member.isUp) return;
    member.isUp = true;
    member.isBehind = true;
    this.#note(`${member.name} is up again`);
    this.#leadership.topologyChanged();
  }

  /** Cuts the member off from the others, each way or one way, until the answer is called. */
  isolateMember(member: Member, directions: { readonly deaf: boolean; readonly mute: boolean }): () => void {
    const [deaf, mute] = [Number(directions.deaf), Number(directions.mute)];
    member.deaf += deaf;
    member.mute += mute;
    this.#leadership.topologyChanged();
    return () => {
      member.deaf -= deaf;
      member.mute -= mute;
      this.#leadership.topologyChanged();
    };
  }

  /** The member stands still; what reaches it waits. The answer lets it go on, for a while in the belief to lead still. */
  freezeMember(member: Member): () => void {
    const ledIn = this.leader === member ? this.term : Number.POSITIVE_INFINITY;
    if (this.leader === member) this.#rememberTtls();
    member.frozen += 1;
    if (!this.#frozenCalls.has(member)) this.#frozenCalls.set(member, []);
    this.#note(`${member.name} stands still`);
    this.#leadership.topologyChanged();
    return () => {
      member.frozen -= 1;
      if (member.frozen === 0) this.#thaw(member, this.term > ledIn);
    };
  }

  /** True ms before which the cluster cannot let this lease expire, whatever happens; 0 for one that is due or gone. */
  leaseLeftMs(lease: LeaseId): number {
    return this.#leases.leftMs(lease);
  }

  /** What a member that led once would grant to this lease if it led still. */
  staleTtlSeconds(lease: LeaseId): number {
    return this.#staleTtls.get(lease) ?? 0;
  }

  /** Who leads gives up, and another takes over if there is one. */
  changeLeader(): void {
    this.#leadership.change();
  }

  #thaw(member: Member, believesToLead: boolean): void {
    const { loop, random } = this.#parts;
    this.#note(`${member.name} goes on`);
    if (believesToLead) member.believesToLeadUntilMs = loop.nowMs + random.between(50, 500);
    member.isBehind = true;
    const waited = this.#frozenCalls.get(member) ?? [];
    this.#frozenCalls.delete(member);
    for (const call of waited) this.submit(member, call);
    this.#leadership.topologyChanged();
  }

  #rememberTtls(): void {
    for (const lease of this.engine.leases()) {
      const { grantedTtlSeconds } = this.engine.leaseTimeToLive(lease, this.#leases.now());
      this.#staleTtls.set(lease, grantedTtlSeconds);
    }
  }

  /** A quorum stands: who is behind learns what it missed, and what waited is decided. */
  #reconnect(): void {
    this.#replication.catchUp();
    const parked = this.#parked;
    this.#parked = [];
    for (const entry of parked) {
      if (this.#leadership.hasPath(entry.member)) this.#unpark(entry);
      else this.#parked.push(entry);
    }
    this.#leases.schedule();
  }

  /** Another leader may find a write in its log, or not. */
  #unpark({ member, call, term, answered }: ParkedCall): void {
    const { random } = this.#parts;
    if (call.kind !== 'write') {
      if (!answered) this.#decideWithin(1, member, call);
    } else if (random.chance(term === this.term ? 0.9 : 0.5)) this.#decideWithin(1, member, call);
    else if (!answered && random.chance(0.5)) call.reply(leaderChanged(call.kind));
  }

  #park(member: Member, call: ServerCall): void {
    const { loop, electionTimeoutMs } = this.#parts;
    const entry = { member, call, term: this.term, answered: false };
    this.#parked.push(entry);
    loop.afterInternally(requestTimeoutMs + 2 * electionTimeoutMs, () => {
      if (!this.#parked.includes(entry)) return;
      entry.answered = true;
      call.reply(timedOut(call.kind));
      loop.afterInternally(afterlifeMs, () => {
        this.#parked = this.#parked.filter((other) => other !== entry);
      });
    });
  }

  #decideWithin(ms: number, member: Member, call: ServerCall): void {
    const { loop, random } = this.#parts;
    loop.afterInternally(random.next() * ms, () => this.#decide(member, call));
  }

  #decide(member: Member, call: ServerCall): void {
    const { random, counts } = this.#parts;
    if (!this.#canDecide(member, call)) {
      // A member that has died may have passed it on before.
      if (member.isUp || (call.kind === 'write' && random.chance(0.5))) this.#park(member, call);
      return;
    }
    if (call.kind === 'write' && call.isForgotten()) counts.add('request applied late');
    const { revision } = this.engine;
    const isFull = this.#fullWindows > 0 && call.takesSpace;
    if (isFull) counts.add('no space');
    const result = isFull && random.chance(0.5) ? noSpace() : resultOf(() => this.#apply(member, call));
    if (this.engine.revision > revision) this.#replication.spread();
    this.#answer(member, call, isFull && result.ok ? noSpace() : result, this.engine.revision > revision);
  }

  /** The member answers once it has applied the write itself. */
  #answer(
    member: Member,
    call: ServerCall,
    result: Parameters<ServerCall['reply']>[0],
    wrote: boolean,
  ): void {
    const { loop } = this.#parts;
    if (member === this.leader || !wrote) call.reply(result);
    else if (!member.isBehind) {
      const appliedMs = member.learn(this.engine.revision, loop.nowMs);
      loop.afterInternally(appliedMs - loop.nowMs, () => call.reply(result));
    }
  }

  #apply(member: Member, call: ServerCall): unknown {
    try {
      return call.apply(this.engine, this.#leases.now(), member);
    } finally {
      this.#leases.schedule();
    }
  }

  /** A leader that has lost its quorum renews leases until another leads, who then begins with all of them anew. */
  #canDecide(member: Member, call: ServerCall): boolean {
    if (this.#leadership.hasPath(member)) return true;
    return call.kind === 'renewal' && !this.#leases.isOneDue && this.#leadership.canAskLeader(member);
  }

  /** etcd #15247. */
  #answersStale(member: Member, call: ServerCall): boolean {
    const { loop, counts } = this.#parts;
    if (call.stale === undefined || member === this.leader) return false;
    if (member.believesToLeadUntilMs <= loop.nowMs) return false;
    counts.add('renewal worth nothing');
    call.reply(resultOf(call.stale));
    return true;
  }

  #note(text: string): void {
    this.#parts.timeline.note('cluster', () => text);
  }
}
