import type { Engine } from '../../engine/index.js';
import { isQuorateError } from '../../errors.js';
import { checkWaitOptions, type Runtime } from '../../runtime/index.js';
import type { CallOptions } from '../../store/index.js';
import type { Member } from '../cluster/member.js';
import type { ServerCallKind, ServerResult } from '../cluster/server-call.js';
import type { SeededRandom } from '../random.js';
import type { EventHost, EventLoop } from '../time/event-loop.js';
import type { Timeline } from '../timeline.js';
import type { Link } from './link.js';
import { OpenCall } from './open-call.js';

const defaultTimeoutMs = 5_000;

export interface ConnectionParts {
  readonly loop: EventLoop;
  readonly runtime: Runtime;
  readonly host: EventHost;
  readonly link: Link;
  readonly random: SeededRandom;
  readonly timeline: Timeline;
  /** Who makes the calls, for the timeline. */
  readonly actor: string;
}

export interface CallSpec<T> {
  readonly kind: ServerCallKind;
  readonly doing: string;
  readonly takesSpace?: boolean;
  readonly apply: (engine: Engine, leaseNowMs: number, member: Member) => T;
  readonly stale?: () => T;
  readonly describe: () => string;
  readonly describeReply: (value: T) => string;
}

/**
 * The way of calls between one process and the member that it is connected to, with all that befalls them. It stays with
 * a member while that answers and turns to the next when it does not; reads are sent again, writes never.
 */
export class Connection {
  readonly #parts: ConnectionParts;
  readonly #calls = new Map<OpenCall<unknown>, () => void>();
  #memberAt: number;
  #connected = true;

  constructor(parts: ConnectionParts) {
    this.#parts = parts;
    this.#memberAt = parts.link.home % parts.link.cluster.members.length;
  }

  get isConnected(): boolean {
    return this.#connected;
  }

  /** Answers every call, if need be with `unknown`. */
  async call<T>(spec: CallSpec<T>, options: CallOptions): Promise<T> {
    checkWaitOptions(options, spec.doing);
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
      // Of a member that it has left already, it says nothing about the one of now.
      if (isQuorateError(error, 'timeout') && call.sentTo === this.member) this.#turnAway();
      throw error;
    }
  }

  /** The member that it talks to, or believes to talk to. */
  get member(): Member | undefined {
    const { members } = this.#parts.link.cluster;
    return members[this.#memberAt % members.length];
  }

  /** Nothing more will come of what was sent; what may be sent again is. */
  lost(): void {
    this.#turnAway();
    this.#note(() => 'has lost its connection');
    for (const [call, sendAgain] of [...this.#calls]) {
      if (call.kind === 'write' || call.kind === 'renewal') {
        call.fail({ code: 'unavailable', message: `the connection was lost while ${call.doing}` });
      } else sendAgain();
    }
  }

  /** Fails what is under way. */
  close(): void {
    for (const call of [...this.#calls.keys()]) {
      call.fail({ code: 'closed', message: `the store was closed while ${call.doing}` });
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
    call.sentTo = member;
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
    if (this.#connected) return this.member;
    const member = link.isWhole ? this.nextMember(0) : undefined;
    if (member === undefined) return undefined;
    this.#connected = true;
    this.#memberAt = member.index;
    return member;
  }

  /** A member that is up, counted from the one after the current by so many. */
  nextMember(ahead: number): Member | undefined {
    const { members } = this.#parts.link.cluster;
    for (let step = 0; step < members.length; step += 1) {
      const member = members[(this.#memberAt + ahead + step) % members.length];
      if (member?.isUp) return member;
    }
    return undefined;
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
