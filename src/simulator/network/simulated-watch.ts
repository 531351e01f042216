import type { EngineWatchItem } from '../../engine/index.js';
import { QuorateError } from '../../errors.js';
import { type Watch, type WatchItem, WatchItems, type WatchRequest, watchStart } from '../../store/index.js';
import type { Member } from '../cluster/member.js';
import type { ServerWatch } from '../cluster/server-watch.js';
import type { SeededRandom } from '../random.js';
import type { EventHost, EventLoop } from '../time/event-loop.js';
import type { Timeline } from '../timeline.js';
import { describeItem, describeRange } from './describe.js';
import type { Link } from './link.js';

/** Now and then etcd serves a watch on its slow path, which looks every 100 ms. */
const slowPathMs = 100;
const slowPathShare = 0.05;
/** How often it is tried to open a watch again. */
const retryMs = { min: 20, max: 500 };
/** A client that hears nothing asks for progress, and gives the stream up after so long. */
const silenceMs = { min: 10_000, max: 20_000 };
const progressMs = 5_000;

export interface WatchParts {
  readonly loop: EventLoop;
  readonly host: EventHost;
  readonly link: Link;
  readonly random: SeededRandom;
  readonly timeline: Timeline;
  readonly actor: string;
  /** The member to try next; undefined if none can be reached. */
  readonly nextMember: () => Member | undefined;
  readonly onClose: (watch: SimulatedWatch) => void;
}

/** A watch as an adapter gives it: it opens its stream again after every cut, and says so. */
export class SimulatedWatch implements Watch {
  readonly #request: WatchRequest;
  readonly #parts: WatchParts;
  readonly #items: WatchItems;
  #server: ServerWatch | undefined;
  /** What arrives of an earlier stream is not heard any more. */
  #stream = 0;
  #next: number | undefined;
  #delivered = 0;
  #wasOpened = false;
  #isInterrupted = false;
  #lastArrivalMs = 0;
  #onTheWay: { item: WatchItem } | undefined;
  /** What this stream has sent and has not arrived. */
  #letters: { item: WatchItem }[] = [];
  #stalled: WatchItem[] = [];

  constructor(request: WatchRequest, parts: WatchParts) {
    this.#request = request;
    this.#parts = parts;
    this.#items = new WatchItems({ closed: () => this.#leave() });
    const from = request.fromRevision ?? 0;
    this.#next = from === 0 ? undefined : from;
  }

  [Symbol.asyncIterator](): AsyncIterator<WatchItem> {
    return this.#items[Symbol.asyncIterator]();
  }

  close(): void {
    this.#items.close();
  }

  fail(error: QuorateError): void {
    this.#items.fail(error);
    this.#detach();
  }

  /** Sends the request for a stream, or tries again later. */
  open(): void {
    if (this.#items.ended) return;
    const { loop, link, random } = this.#parts;
    const stream = this.#stream;
    const member = link.isWhole ? this.#parts.nextMember() : undefined;
    if (member === undefined) {
      this.#retry();
      return;
    }
    loop.afterInternally(this.#latencyMs(), () => {
      if (stream !== this.#stream || this.#items.ended) return;
      if (!member.isAwake || !link.isWhole) this.#retry();
      else this.#register(member, random.chance(slowPathShare));
    });
  }

  /** The stream broke, and this end has noticed. */
  interrupt(reason: string): void {
    if (this.#items.ended) return;
    this.#detach();
    if (this.#wasOpened && this.#request.resume === 'now') this.#next = undefined;
    if (this.#wasOpened && !this.#isInterrupted) {
      this.#isInterrupted = true;
      this.#push({ type: 'interrupted', error: new QuorateError('unavailable', reason) });
    }
    this.#retry();
  }

  /** What was stalled goes on, if nothing holds it any more. Until it has arrived, what comes later waits behind it. */
  linkChanged(): void {
    if (this.#isHeldUp() || this.#stalled.length === 0) return;
    const { loop, host } = this.#parts;
    const stream = this.#stream;
    loop.after(
      this.#latencyMs(),
      () => {
        if (stream !== this.#stream || this.#isHeldUp()) return;
        for (const item of this.#stalled.splice(0)) this.#deliver(item, stream);
      },
      host,
    );
  }

  #register(member: Member, isSlow: boolean): void {
    const { link, loop } = this.#parts;
    const stream = this.#stream;
    const heldUntilMs = loop.nowMs + (isSlow ? slowPathMs : 0);
    const next = this.#next;
    const request = next === undefined ? this.#request : { ...this.#request, fromRevision: watchStart(next) };
    const receiver = {
      receive: (item: EngineWatchItem) =>
        this.#send(item, stream, item.type === 'opened' ? loop.nowMs : heldUntilMs),
      broken: (reason: string) => this.#breakLater(reason, stream),
    };
    this.#server = link.cluster.openWatch(member, request, receiver);
    if (this.#request.progress) this.#promiseProgress(member, stream);
  }

  /** One item on its way here; whole revisions that travel together may arrive as one. */
  #send(item: EngineWatchItem, stream: number, notBeforeMs: number): void {
    const { loop, host, random } = this.#parts;
    const told: WatchItem =
      item.type === 'events' ? { type: 'events', revision: item.revision, events: item.events } : item;
    const ahead = this.#onTheWay;
    if (told.type === 'events' && ahead?.item.type === 'events' && random.chance(0.3)) {
      ahead.item = { ...told, events: [...ahead.item.events, ...told.events] };
      return;
    }
    const letter = { item: told };
    this.#onTheWay = letter;
    // In order, but beside each other: many slow ones take no longer than one.
    const arrivalMs = Math.max(this.#lastArrivalMs, Math.max(notBeforeMs, loop.nowMs) + this.#latencyMs());
    this.#lastArrivalMs = arrivalMs;
    const letters = this.#letters;
    letters.push(letter);
    loop.after(
      arrivalMs - loop.nowMs,
      () => {
        // The first that was sent, though two that are due together differ in the last bit of their times.
        const first = letters.shift() ?? letter;
        if (this.#onTheWay === first) this.#onTheWay = undefined;
        this.#deliver(first.item, stream);
      },
      host,
    );
  }

  #deliver(item: WatchItem, stream: number): void {
    if (stream !== this.#stream || this.#items.ended) return;
    if (this.#isHeldUp() || this.#stalled.length > 0) this.#stall(item);
    else this.#take(item);
  }

  #take(item: WatchItem): void {
    switch (item.type) {
      case 'opened':
        this.#wasOpened = true;
        this.#isInterrupted = false;
        // A member that lags may stand before what another has delivered.
        this.#delivered = Math.max(this.#delivered, item.revision);
        this.#next ??= this.#delivered + 1;
        this.#push({ type: 'opened', revision: this.#delivered });
        return;
      case 'events': {
        const next = this.#next ?? 0;
        const events = item.events.filter(({ kv }) => kv.modRevision >= next);
        if (events.length === 0) return;
        this.#delivered = Math.max(this.#delivered, item.revision);
        this.#next = item.revision + 1;
        this.#push({ type: 'events', revision: item.revision, events });
        return;
      }
      case 'compacted':
        this.#push({ ...item, fromRevision: this.#next ?? item.fromRevision });
        this.#items.end();
        this.#detach();
        return;
      default:
        this.#push(item);
    }
  }

  #stall(item: WatchItem): void {
    const { loop, host, random, link } = this.#parts;
    this.#stalled.push(item);
    if (this.#stalled.length > 1) return;
    link.counts.add('watch stalled');
    const stream = this.#stream;
    loop.after(
      random.between(silenceMs.min, silenceMs.max),
      () => {
        if (stream === this.#stream && this.#stalled.length > 0) this.interrupt('the stream fell silent');
      },
      host,
    );
  }

  #promiseProgress(member: Member, stream: number): void {
    const { loop, host } = this.#parts;
    const revision = member.applied(loop.nowMs);
    loop.after(
      progressMs,
      () => {
        if (stream !== this.#stream || this.#items.ended) return;
        if (revision >= this.#delivered) this.#deliver({ type: 'progress', revision }, stream);
        this.#promiseProgress(member, stream);
      },
      host,
    );
  }

  #breakLater(reason: string, stream: number): void {
    const { loop, host, link } = this.#parts;
    link.counts.add('watch broken');
    loop.after(
      this.#latencyMs(),
      () => {
        if (stream === this.#stream) this.interrupt(reason);
      },
      host,
    );
  }

  #retry(): void {
    const { loop, host, random } = this.#parts;
    const stream = this.#stream;
    loop.after(
      random.between(retryMs.min, retryMs.max),
      () => {
        if (stream === this.#stream) this.open();
      },
      host,
    );
  }

  #isHeldUp(): boolean {
    const { silentWatches, cutReplies } = this.#parts.link.conditions;
    return silentWatches > 0 || cutReplies > 0;
  }

  #latencyMs(): number {
    const { random, link } = this.#parts;
    const { slow, slowWatches } = link.conditions;
    const extraMs = slow + slowWatches > 0 ? random.between(0, 300) : 0;
    return random.between(link.latencyMs.min, link.latencyMs.max) + extraMs;
  }

  #push(item: WatchItem): void {
    const { timeline, actor } = this.#parts;
    timeline.note(actor, () => `watch ${describeRange(this.#request)} ${describeItem(item)}`);
    this.#items.push(item);
  }

  #detach(): void {
    this.#stream += 1;
    this.#stalled = [];
    this.#onTheWay = undefined;
    this.#letters = [];
    if (this.#server === undefined) return;
    this.#parts.link.cluster.closeWatch(this.#server);
    this.#server = undefined;
  }

  #leave(): void {
    this.#detach();
    this.#parts.onClose(this);
  }
}
