import type { Engine } from '../../engine/index.js';
import type { WatchRequest } from '../../store/index.js';
import type { EventLoop } from '../time/event-loop.js';
import type { Leadership } from './leadership.js';
import type { Member } from './member.js';
import { ServerWatch, type WatchReceiver } from './server-watch.js';

/** How what was committed gets to the members, each in its own time, and from them to their watches. */
export class Replication {
  readonly #engine: Engine;
  readonly #loop: EventLoop;
  readonly #members: readonly Member[];
  readonly #leadership: Leadership;
  readonly #watches = new Set<ServerWatch>();

  constructor(engine: Engine, loop: EventLoop, members: readonly Member[], leadership: Leadership) {
    this.#engine = engine;
    this.#loop = loop;
    this.#members = members;
    this.#leadership = leadership;
  }

  /** Throws what the engine refuses. */
  openWatch(member: Member, request: WatchRequest, receiver: WatchReceiver): ServerWatch {
    const watch = new ServerWatch(this.#engine, member, request, receiver, this.#loop.nowMs);
    this.#watches.add(watch);
    watch.flush(this.#loop.nowMs);
    // Of what the member has only heard of by now, nobody was going to tell a watch that was not there.
    const behindMs = member.upToDateAtMs - this.#loop.nowMs;
    if (behindMs > 0) this.#loop.afterInternally(behindMs, () => this.#flush(member));
    return watch;
  }

  closeWatch(watch: ServerWatch): void {
    this.#watches.delete(watch);
    watch.close();
  }

  breakWatches(member: Member, reason: string): void {
    for (const watch of this.#watchesOf(member)) {
      this.closeWatch(watch);
      watch.receiver.broken(reason);
    }
  }

  /** Tells everybody who can hear it of the newest revision. */
  spread(): void {
    const { leader } = this.#leadership;
    for (const member of this.#members) {
      if (member === leader) this.#complete(member);
      else if (this.#leadership.isHeardBy(member)) this.#teach(member);
      else member.isBehind = true;
    }
  }

  /** Who leads has all; who was out of reach and is not any more gets what it missed. */
  catchUp(): void {
    const { leader } = this.#leadership;
    for (const member of this.#members) {
      if (member === leader) this.#complete(member);
      else if (member.isBehind && this.#leadership.isHeardBy(member)) this.#teach(member);
    }
  }

  #complete(leader: Member): void {
    leader.catchUp(this.#engine.revision);
    this.#flush(leader);
  }

  #teach(member: Member): void {
    member.isBehind = false;
    const atMs = member.learn(this.#engine.revision, this.#loop.nowMs);
    if (this.#watchesOf(member).length === 0) return;
    this.#loop.afterInternally(atMs - this.#loop.nowMs, () => this.#flush(member));
  }

  #flush(member: Member): void {
    if (!member.isAwake) return;
    for (const watch of this.#watchesOf(member)) watch.flush(this.#loop.nowMs);
  }

  #watchesOf(member: Member): ServerWatch[] {
    return [...this.#watches].filter((watch) => watch.member === member);
  }
}
