import { Batch, type GroupLimits } from './batch.js';
import type { Member } from './member.js';

/** Conflicts that one gathering passes over before it is content with what it has. */
const longestSearch = 256;
/** Members waiting before those whose callers have given up are looked for. */
const sweepFrom = 4_096;

/** The transactions that wait for a lane, first come first served. */
export class WaitingMembers {
  readonly #inOrder: boolean;
  #members: Member[] = [];
  #head = 0;
  #sweepAt = sweepFrom;

  /** `inOrder`: nothing overtakes, so a gathering stops at the first member that cannot join. */
  constructor(options: { inOrder: boolean }) {
    this.#inOrder = options.inOrder;
  }

  get size(): number {
    return this.#members.length - this.#head;
  }

  add(member: Member): void {
    this.#members.push(member);
    if (this.size > this.#sweepAt) this.#sweep();
  }

  /** The next group, in order of arrival; who cannot join it stays at the head for the one after. */
  gather(limits: Readonly<GroupLimits>): Member[] {
    const first = this.#first();
    if (first === undefined) return [];
    const group = [first];
    if (this.size > 0) this.#join(group, limits);
    else this.#compact();
    return group;
  }

  /** The first of those who still wait; taken out. */
  #first(): Member | undefined {
    while (this.#head < this.#members.length) {
      const member = this.#members[this.#head] as Member;
      this.#head += 1;
      if (member.isLive) return member;
    }
    this.#compact();
    return undefined;
  }

  /** Takes out those who can travel with who is in the group already. */
  #join(group: Member[], limits: Readonly<GroupLimits>): void {
    const batch = new Batch(limits);
    for (const member of group) batch.admit(member);
    const refused: Member[] = [];
    while (this.#head < this.#members.length) {
      const member = this.#members[this.#head] as Member;
      if (!member.isLive) {
        this.#head += 1;
        continue;
      }
      const admission = batch.admit(member);
      if (admission !== 'admitted') {
        if (admission === 'full' || this.#inOrder || refused.length >= longestSearch) break;
        refused.push(member);
      } else group.push(member);
      this.#head += 1;
    }
    if (refused.length > 0) this.#restore(refused);
    else this.#compact();
  }

  /** Lets go of those who were taken out. */
  #compact(): void {
    if (this.#head === this.#members.length) this.#members.length = 0;
    else if (this.#head > 4_096) this.#members.splice(0, this.#head);
    else return;
    this.#head = 0;
  }

  /** Everybody who waits; they are taken out. */
  drain(): Member[] {
    const members = this.#members.slice(this.#head);
    this.#members = [];
    this.#head = 0;
    return members;
  }

  /** Drops those whose callers gave up, which would pile up while the store is away and callers try again. */
  #sweep(): void {
    this.#members = this.#members.slice(this.#head).filter((member) => member.isLive);
    this.#head = 0;
    this.#sweepAt = Math.max(sweepFrom, 2 * this.#members.length);
  }

  /** Writes the refused over the places just before the head, which they or members of the group have left. */
  #restore(refused: readonly Member[]): void {
    for (let index = refused.length - 1; index >= 0; index -= 1) {
      this.#head -= 1;
      this.#members[this.#head] = refused[index] as Member;
    }
  }
}
