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
 * - A leader without quorum is succeeded after one to two election timeouts, by any member that has one. That restarts
 *   the TTL of every lease. Leases are renewed by the leader alone, by its clock, and expire late, never early.
 */
import type { Engine } from '../../engine/index.js';
import type { LeaseId, WatchRequest } from '../../store/index.js';
import type { FaultCounts } from '../faults/fault-counts.js';
import type { SeededRandom } from '../random.js';
import type { EventLoop, SimulatedEvent } from '../time/event-loop.js';
import type { Timeline } from '../timeline.js';
import { LeaseClock } from './lease-clock.js';
import { Member } from './member.js';
import { leaderChanged, noSpace, resultOf, type ServerCall, timedOut } from './server-call.js';
import { ServerWatch, type WatchReceiver } from './server-watch.js';

/** etcd ends what it cannot decide after 5 s and two election timeouts. */
const requestTimeoutMs = 5_000;
/** How long what timed out may still lie in somebody's log. */
const afterlifeMs = 3_000;
const longestCommitMs = 1;
/** etcd looks for expired leases twice a second, and then has to commit. */
const expiryLatenessMs = 600;

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
  readonly #loop: EventLoop;
  readonly #random: SeededRandom;
  readonly #timeline: Timeline;
  readonly #counts: FaultCounts;
  readonly #electionTimeoutMs: number;
  readonly #leaseClock: LeaseClock;
  readonly #watches = new Set<ServerWatch>();
  readonly #downListeners = new Set<(member: Member) => void>();
  readonly #frozenCalls: { readonly member: Member; readonly call: ServerCall }[] = [];
  #parked: ParkedCall[] = [];
  #leader: Member | undefined;
  #term = 1;
  #election: SimulatedEvent | undefined;
  #expiry: { readonly event: SimulatedEvent; readonly leaseMs: number } | undefined;
  #fullWindows = 0;
  /** The leases that a leader knew when it stopped. */
  readonly #staleTtls = new Map<LeaseId, number>();

  constructor(parts: ClusterParts) {
    const { engine, loop, random, timeline, counts, memberCount, clockRateError } = parts;
    this.engine = engine;
    this.#loop = loop;
    this.#random = random;
    this.#timeline = timeline;
    this.#counts = counts;
    this.#electionTimeoutMs = parts.electionTimeoutMs;
    this.members = Array.from({ length: memberCount }, (_, index) => {
      const chance = random.fork(`member ${index}`);
      return new Member(index, 1 + chance.between(-clockRateError, clockRateError), chance);
    });
    this.#leader = random.pick(this.members);
    this.#leaseClock = new LeaseClock(() => loop.nowMs, this.#leader.clockRate);
  }

  get leader(): Member | undefined {
    return this.#leader;
  }

  /** Rises with each leader. */
  get term(): number {
    return this.#term;
  }

  /** Calls `listener` when a member goes down; answers the function that ends that. */
  onMemberDown(listener: (member: Member) => void): () => void {
    this.#downListeners.add(listener);
    return () => this.#downListeners.delete(listener);
  }

  /** A request arrives at a member's door. */
  submit(member: Member, call: ServerCall): void {
    if (!member.isUp) return;
    if (member.frozen > 0) this.#frozenCalls.push({ member, call });
    else if (call.kind === 'local') call.reply(resultOf(() => this.#apply(member, call)));
    else if (this.#answersStale(member, call)) return;
    else if (!this.#canDecide(member, call)) this.#park(member, call);
    else this.#loop.afterInternally(this.#random.next() * longestCommitMs, () => this.#decide(member, call));
  }

  /** Throws what the engine refuses. */
  openWatch(member: Member, request: WatchRequest, receiver: WatchReceiver): ServerWatch {
    const watch = new ServerWatch(this.engine, member, request, receiver, this.#loop.nowMs);
    this.#watches.add(watch);
    watch.flush(this.#loop.nowMs);
    return watch;
  }

  closeWatch(watch: ServerWatch): void {
    this.#watches.delete(watch);
    watch.close();
  }

  /** Applies at once, past everything: for observers whom no fault befalls. */
  applyNow<T>(apply: (engine: Engine, leaseNowMs: number) => T): T {
    const before = this.engine.revision;
    try {
      return apply(this.engine, this.#leaseClock.now());
    } finally {
      if (this.engine.revision > before) this.#replicate();
      this.#scheduleExpiry();
    }
  }

  /** Puts are answered with `no-space` until as many calls of the answer. */
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
    this.#breakWatches(member, `${member.name} is down`);
    for (const listener of [...this.#downListeners]) listener(member);
    this.topologyChanged();
  }

  restartMember(member: Member): void {
    if (member.isUp) return;
    member.isUp = true;
    member.isBehind = true;
    this.#note(`${member.name} is up again`);
    this.topologyChanged();
  }

  /** The member stands still; what reaches it waits. `thaw` lets it go on, for a while in the belief to lead still. */
  freeze(member: Member): { thaw(): void } {
    const led = this.#leader === member;
    const { term } = this;
    if (led) {
      for (const lease of this.engine.leases()) {
        const { grantedTtlSeconds } = this.engine.leaseTimeToLive(lease, this.#leaseClock.now());
        this.#staleTtls.set(lease, grantedTtlSeconds);
      }
    }
    member.frozen += 1;
    this.#note(`${member.name} stands still`);
    this.topologyChanged();
    return {
      thaw: () => {
        member.frozen -= 1;
        if (member.frozen > 0) return;
        this.#note(`${member.name} goes on`);
        if (led && this.#term > term) {
          member.believesToLeadUntilMs = this.#loop.nowMs + this.#random.between(50, 500);
        }
        member.isBehind = true;
        const waited = this.#frozenCalls.filter((entry) => entry.member === member);
        for (const entry of waited) this.#frozenCalls.splice(this.#frozenCalls.indexOf(entry), 1);
        for (const { call } of waited) this.submit(member, call);
        this.topologyChanged();
      },
    };
  }

  /** What a member that led once would grant to this lease if it led still. */
  staleTtlSeconds(lease: LeaseId): number {
    return this.#staleTtls.get(lease) ?? 0;
  }

  /** Who leads gives up, and another takes over if there is one. */
  changeLeader(): void {
    const before = this.#leader;
    this.#leader = undefined;
    this.#note('nobody leads');
    this.#electAfter(this.#random.between(1, this.#electionTimeoutMs / 2), before);
  }

  /** To be called whenever somebody went up, down, deaf or mute, or the other way. */
  topologyChanged(): void {
    if (this.#leader !== undefined && this.#hasQuorum(this.#leader)) {
      this.#election = cancelled(this.#election);
      this.#reconnect();
    } else if (this.#election === undefined) {
      this.#electAfter(this.#electionTimeoutMs * this.#random.between(1, 2));
    }
    for (const member of this.members) this.#watchForLeader(member);
  }

  #electAfter(delayMs: number, except?: Member): void {
    this.#election = cancelled(this.#election);
    this.#election = this.#loop.afterInternally(delayMs, () => {
      this.#election = undefined;
      const able = this.members.filter((member) => this.#hasQuorum(member));
      const others = able.filter((member) => member !== except);
      // The next change of the topology tries again.
      if (able.length > 0) this.#takeOver(this.#random.pick(others.length > 0 ? others : able));
    });
  }

  #takeOver(member: Member): void {
    this.#leader = member;
    this.#term += 1;
    this.#counts.add('leader changed');
    this.#note(`${member.name} leads in term ${this.#term}`);
    member.catchUp(this.engine.revision);
    this.#leaseClock.follow(member.clockRate);
    this.engine.restartLeases(this.#leaseClock.now());
    this.#reconnect();
    this.#scheduleExpiry();
  }

  /** A quorum stands: who is behind learns what it missed, and what waited is decided. */
  #reconnect(): void {
    const leader = this.#leader;
    if (leader === undefined) return;
    for (const member of this.members) {
      if (member.isBehind && (member === leader || this.#reaches(leader, member))) this.#teach(member);
    }
    const parked = this.#parked;
    this.#parked = [];
    for (const entry of parked) {
      if (this.#hasPath(entry.member)) this.#unpark(entry);
      else this.#parked.push(entry);
    }
    this.#scheduleExpiry();
  }

  #unpark({ member, call, term, answered }: ParkedCall): void {
    if (call.kind !== 'write') {
      if (!answered) this.#loop.afterInternally(this.#random.next(), () => this.#decide(member, call));
    } else if (this.#random.chance(term === this.#term ? 0.9 : 0.5)) {
      this.#loop.afterInternally(this.#random.next(), () => this.#decide(member, call));
    } else if (!answered && this.#random.chance(0.5)) call.reply(leaderChanged(call.kind));
  }

  #park(member: Member, call: ServerCall): void {
    const entry = { member, call, term: this.#term, answered: false };
    this.#parked.push(entry);
    this.#loop.afterInternally(requestTimeoutMs + 2 * this.#electionTimeoutMs, () => {
      if (!this.#parked.includes(entry)) return;
      entry.answered = true;
      call.reply(timedOut(call.kind));
      this.#loop.afterInternally(afterlifeMs, () => {
        this.#parked = this.#parked.filter((other) => other !== entry);
      });
    });
  }

  #decide(member: Member, call: ServerCall): void {
    if (!this.#canDecide(member, call)) {
      // A member that has died may have passed it on before.
      if (member.isUp || (call.kind === 'write' && this.#random.chance(0.5))) this.#park(member, call);
      return;
    }
    if (call.kind === 'write' && call.isForgotten()) this.#counts.add('request applied late');
    const before = this.engine.revision;
    const full = this.#fullWindows > 0 && call.takesSpace;
    if (full) this.#counts.add('no space');
    const isApplied = !full || this.#random.chance(0.5);
    const result = isApplied ? resultOf(() => this.#apply(member, call)) : noSpace();
    const { revision } = this.engine;
    if (revision > before) this.#replicate();
    const reply = () => call.reply(full && result.ok ? noSpace() : result);
    if (member === this.#leader || revision === before) reply();
    else if (!member.isBehind)
      this.#loop.afterInternally(member.learn(revision, this.#loop.nowMs) - this.#loop.nowMs, reply);
  }

  #apply(member: Member, call: ServerCall): unknown {
    try {
      return call.apply(this.engine, this.#leaseClock.now(), member);
    } finally {
      this.#scheduleExpiry();
    }
  }

  /** etcd #15247. */
  #answersStale(member: Member, call: ServerCall): boolean {
    if (call.stale === undefined || member === this.#leader) return false;
    if (member.believesToLeadUntilMs <= this.#loop.nowMs) return false;
    this.#counts.add('renewal worth nothing');
    call.reply(resultOf(call.stale));
    return true;
  }

  /** Tells everybody who can hear it of the newest revision. */
  #replicate(): void {
    const leader = this.#leader;
    const { revision } = this.engine;
    for (const member of this.members) {
      if (member === leader) {
        member.catchUp(revision);
        this.#flush(member);
      } else if (leader !== undefined && this.#reaches(leader, member)) this.#teach(member);
      else member.isBehind = true;
    }
  }

  #teach(member: Member): void {
    member.isBehind = false;
    const atMs = member.learn(this.engine.revision, this.#loop.nowMs);
    if (![...this.#watches].some((watch) => watch.member === member)) return;
    this.#loop.afterInternally(atMs - this.#loop.nowMs, () => this.#flush(member));
  }

  #flush(member: Member): void {
    for (const watch of [...this.#watches]) if (watch.member === member) watch.flush(this.#loop.nowMs);
  }

  #watchForLeader(member: Member): void {
    if (!member.isUp || this.#hasPath(member)) return;
    this.#loop.afterInternally(4 * this.#electionTimeoutMs, () => {
      if (!this.#hasPath(member)) this.#breakWatches(member, 'etcdserver: no leader');
    });
  }

  #breakWatches(member: Member, reason: string): void {
    for (const watch of [...this.#watches]) {
      if (watch.member !== member) continue;
      this.closeWatch(watch);
      watch.receiver.broken(reason);
    }
  }

  #scheduleExpiry(): void {
    const leaseMs = this.engine.nextExpiryMs();
    if (leaseMs === undefined) return;
    if (this.#expiry !== undefined) {
      if (this.#expiry.leaseMs <= leaseMs) return;
      this.#expiry.event.cancelled = true;
    }
    const delayMs = this.#leaseClock.trueMsUntil(leaseMs) + this.#random.next() * expiryLatenessMs;
    const event = this.#loop.afterInternally(delayMs, () => this.#expire());
    this.#expiry = { event, leaseMs };
  }

  #expire(): void {
    this.#expiry = undefined;
    // Whoever leads next begins with every lease anew.
    if (this.#leader === undefined || !this.#hasQuorum(this.#leader)) return;
    for (const lease of this.engine.expireLeases(this.#leaseClock.now())) {
      this.#note(`lease ${lease} has expired`);
    }
    this.#replicate();
    this.#scheduleExpiry();
  }

  /** A leader that has lost its quorum renews leases until another leads, who then begins with all of them anew. */
  #canDecide(member: Member, call: ServerCall): boolean {
    if (call.kind !== 'renewal' || this.#hasPath(member)) return this.#hasPath(member);
    const isNoneDue = (this.engine.nextExpiryMs() ?? Number.POSITIVE_INFINITY) > this.#leaseClock.now();
    return isNoneDue && this.#canAskLeader(member);
  }

  #hasPath(member: Member): boolean {
    return this.#canAskLeader(member) && this.#leader !== undefined && this.#hasQuorum(this.#leader);
  }

  #canAskLeader(member: Member): boolean {
    const leader = this.#leader;
    if (leader === undefined || !leader.isAwake || !member.isAwake) return false;
    return member === leader || (this.#reaches(member, leader) && this.#reaches(leader, member));
  }

  #hasQuorum(candidate: Member): boolean {
    if (!candidate.isAwake) return false;
    const inTouch = this.members.filter(
      (other) => other === candidate || (this.#reaches(candidate, other) && this.#reaches(other, candidate)),
    );
    return inTouch.length * 2 > this.members.length;
  }

  #reaches(from: Member, to: Member): boolean {
    return from.isAwake && to.isAwake && from.mute === 0 && to.deaf === 0;
  }

  #note(text: string): void {
    this.#timeline.note('cluster', () => text);
  }
}

function cancelled(event: SimulatedEvent | undefined): undefined {
  if (event !== undefined) event.cancelled = true;
  return undefined;
}
