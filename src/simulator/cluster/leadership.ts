import type { FaultCounts } from '../faults/fault-counts.js';
import type { SeededRandom } from '../random.js';
import type { EventLoop, SimulatedEvent } from '../time/event-loop.js';
import type { Timeline } from '../timeline.js';
import type { Member } from './member.js';

export interface LeadershipParts {
  readonly members: readonly Member[];
  readonly loop: EventLoop;
  readonly random: SeededRandom;
  readonly timeline: Timeline;
  readonly counts: FaultCounts;
  readonly electionTimeoutMs: number;
  /** Somebody leads anew. */
  readonly onElected: (leader: Member) => void;
  /** Who leads has a quorum, after a change of some kind. */
  readonly onQuorum: (leader: Member) => void;
  /** A member has known no leader for so long that it ends its watches. */
  readonly onLeaderless: (member: Member) => void;
}

/** etcd ends a member's watches after three election timeouts without a leader, which it notices after another. */
const leaderlessTimeouts = 4;

/**
 * Who leads, who can reach whom, and what follows. A leader that reaches no quorum, both ways, is succeeded after one to
 * two election timeouts by any member that does; until then it leads on, and if its quorum is back sooner, nothing was.
 */
export class Leadership {
  readonly #parts: LeadershipParts;
  #leader: Member | undefined;
  #term = 1;
  #election: SimulatedEvent | undefined;

  constructor(parts: LeadershipParts) {
    this.#parts = parts;
    this.#leader = parts.random.pick(parts.members);
  }

  get leader(): Member | undefined {
    return this.#leader;
  }

  get term(): number {
    return this.#term;
  }

  /** The leader, if it has a quorum. */
  get active(): Member | undefined {
    return this.#leader !== undefined && this.#hasQuorum(this.#leader) ? this.#leader : undefined;
  }

  /** The member can have something committed. */
  hasPath(member: Member): boolean {
    return this.active !== undefined && this.canAskLeader(member);
  }

  /** The member and whoever leads hear each other, quorum or not. */
  canAskLeader(member: Member): boolean {
    const leader = this.#leader;
    if (leader === undefined || !leader.isAwake || !member.isAwake) return false;
    return member === leader || (reaches(member, leader) && reaches(leader, member));
  }

  /** What the leader commits reaches the member. */
  isHeardBy(member: Member): boolean {
    const leader = this.#leader;
    return leader !== undefined && leader !== member && reaches(leader, member);
  }

  /** Who leads gives up, and another takes over if there is one. */
  change(): void {
    const { random, electionTimeoutMs } = this.#parts;
    const before = this.#leader;
    this.#leader = undefined;
    this.#note('nobody leads');
    this.#electAfter(random.between(1, electionTimeoutMs / 2), before);
  }

  /** To be called whenever somebody went up, down, deaf or mute, or the other way. */
  topologyChanged(): void {
    const { electionTimeoutMs, random, members, onQuorum } = this.#parts;
    const { active } = this;
    if (active !== undefined) {
      cancel(this.#election);
      this.#election = undefined;
      onQuorum(active);
    } else if (this.#election === undefined) {
      this.#electAfter(electionTimeoutMs * random.between(1, 2));
    }
    for (const member of members) this.watchForLeader(member);
  }

  /**
   * Ends the member's watches if it goes on without a leader. To be called for each watch that is opened: it may have lost
   * sight of all leaders long ago.
   */
  watchForLeader(member: Member): void {
    const { loop, electionTimeoutMs, onLeaderless } = this.#parts;
    if (!member.isUp || this.hasPath(member)) return;
    loop.afterInternally(leaderlessTimeouts * electionTimeoutMs, () => {
      if (member.isUp && !this.hasPath(member)) onLeaderless(member);
    });
  }

  #electAfter(delayMs: number, except?: Member): void {
    const { loop, members, random } = this.#parts;
    cancel(this.#election);
    this.#election = loop.afterInternally(delayMs, () => {
      this.#election = undefined;
      const able = members.filter((member) => this.#hasQuorum(member));
      const others = able.filter((member) => member !== except);
      // If nobody is able, the next change of the topology tries again.
      if (able.length > 0) this.#takeOver(random.pick(others.length > 0 ? others : able));
    });
  }

  #takeOver(member: Member): void {
    const { counts, onElected, onQuorum } = this.#parts;
    this.#leader = member;
    this.#term += 1;
    counts.add('leader changed');
    this.#note(`${member.name} leads in term ${this.#term}`);
    onElected(member);
    onQuorum(member);
  }

  #hasQuorum(candidate: Member): boolean {
    const { members } = this.#parts;
    if (!candidate.isAwake) return false;
    const inTouch = members.filter(
      (other) => other === candidate || (reaches(candidate, other) && reaches(other, candidate)),
    );
    return inTouch.length * 2 > members.length;
  }

  #note(text: string): void {
    this.#parts.timeline.note('cluster', () => text);
  }
}

function reaches(from: Member, to: Member): boolean {
  return from.isAwake && to.isAwake && from.mute === 0 && to.deaf === 0;
}

function cancel(event: SimulatedEvent | undefined): void {
  if (event !== undefined) event.cancelled = true;
}
