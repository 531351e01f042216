/**
 * How messages enter the log, in the order of the calls and each exactly once.
 *
 * One group at a time, on a lane of this object: what waits when the one before it is answered. It puts one frame into each
 * partition that it has messages for:
 *
 *     IF mod(h) = as known THEN put m/<partition>/<segment>/<frame>… ELSE get h
 *
 * The place of a message is the revision that put it: what was called after another was answered has a later one, and nothing
 * can ever appear before a revision that somebody has read. The head only says which segment is open; who finds that it has
 * moved on is refused as a whole and sends the same again into the next one, before anything behind it. A segment that holds
 * enough is closed by the next group, in its own revision: `put h, put s/<next>` beside its frames.
 *
 * - *Reply lost*: the lane finds out whether the group was applied, and never applies it twice.
 * - *This process pauses*: refused if the segment was closed meanwhile, which changes nothing but its keys.
 * - *Session lost, watch cut*: nothing here depends on them. The lane has a lease of its own, and is opened anew when that has ended.
 * - *History compacted*: matters only to a group whose reply was lost: what was sent of it is `unknown` if the lane cannot tell any more.
 * - *The caller stops waiting*: what was not sent is dropped; what was sent may still be applied (`unknown`).
 */

import type { Lane } from '../../../commit/index.js';
import { isPassing, QuorateError } from '../../../errors.js';
import { Backoff, type Runtime, sharedController, sleep } from '../../../runtime/index.js';
import { compare, get, type Op, put, type TxnRequest, txnOf } from '../../../store/index.js';
import { asQuorateError } from '../failures.js';
import { encodeFrame } from '../frame.js';
import { frameKey } from '../frame-name.js';
import type { TopicKeys } from '../keys.js';
import { type Head, headIn } from '../opening.js';
import { keyIn } from '../replies.js';
import { bytesPerGroup, type Draft, messagesPerGroup, type Portion, type Published } from './publish-call.js';

const retryDelay = { firstMs: 20, longestMs: 1_000 };
const laneTimeoutMs = 60_000;

/** A segment is closed by a publisher that knows of so much in it. Readers list one at a time. */
export const defaultSegmentFrames = 256;
const bytesPerSegment = 4 * 1_024 * 1_024;

/** A group as it is sent, and where its messages then are, in their order, but for the revision. */
interface Shipment {
  readonly request: TxnRequest;
  readonly places: readonly Omit<Published, 'revision'>[];
  /** The segment that it opens, if it does. */
  readonly opens: number | undefined;
  readonly frames: number;
  readonly bytes: number;
}

export class PublishPipeline {
  readonly #runtime: Runtime;
  readonly #lane: Lane;
  readonly #keys: TopicKeys;
  readonly #partitions: number;
  readonly #segmentFrames: number;
  readonly #publisher: string;
  readonly #pending: Portion[] = [];
  readonly #closed = sharedController();
  #head: Head;
  /** What is known to be in the open segment. */
  #frames: number;
  #bytes = 0;
  #counter = 0;
  /** Where messages go that have no key; the next one for each group. */
  #turn: number;
  #running = false;

  /** `frames`: how many are in the open segment. */
  constructor(options: {
    runtime: Runtime;
    lane: Lane;
    keys: TopicKeys;
    partitions: number;
    head: Head;
    frames: number;
    segmentFrames: number;
  }) {
    this.#runtime = options.runtime;
    this.#lane = options.lane;
    this.#keys = options.keys;
    this.#partitions = options.partitions;
    this.#head = options.head;
    this.#frames = options.frames;
    this.#segmentFrames = options.segmentFrames;
    this.#publisher = options.runtime.newId();
    this.#turn = Math.floor(options.runtime.random() * options.partitions);
  }

  submit(portion: Portion): void {
    if (this.#closed.signal.aborted) {
      portion.reject(closedError());
      return;
    }
    this.#pending.push(portion);
    if (this.#running) return;
    this.#running = true;
    // A microtask later, so that calls of the same turn travel together.
    queueMicrotask(() => void this.#publishAll());
  }

  /** Refuses what is not sent yet, with `closed`; what is sent gets its answer from the lane, while that is open. */
  close(): void {
    this.#closed.abort(closedError());
    for (const portion of this.#pending.splice(0)) portion.reject(closedError());
  }

  /** Never rejects: all that goes wrong is told to those who wait. */
  async #publishAll(): Promise<void> {
    while (this.#pending.length > 0) {
      const group = this.#take();
      await this.#publish(group).catch((error: unknown) => {
        for (const portion of group) portion.reject(asQuorateError(error));
      });
    }
    this.#running = false;
  }

  /** The next group, in the order of the calls. One that is too large by itself travels alone. */
  #take(): readonly Portion[] {
    let messages = 0;
    let bytes = 0;
    let count = 0;
    for (const portion of this.#pending) {
      messages += portion.drafts.length;
      bytes += portion.bytes;
      if (count > 0 && (messages > messagesPerGroup || bytes > bytesPerGroup)) break;
      count += 1;
    }
    this.#turn = (this.#turn + 1) % this.#partitions;
    return this.#pending.splice(0, count);
  }

  async #publish(group: readonly Portion[]): Promise<void> {
    const backoff = new Backoff(this.#runtime, retryDelay);
    for (;;) {
      // Made anew for each attempt: who has left meanwhile was told that nothing of his was written.
      const live = group.filter(({ state }) => state !== 'over');
      if (live.length === 0) return;
      const shipment = this.#shipmentOf(live);
      for (const portion of live) portion.state = 'sent';
      const outcome = await this.#send(shipment, live);
      if (outcome === 'settled') return;
      // Nothing of this was written, and nothing will be: who leaves from here on leaves nothing behind.
      for (const portion of live) if (portion.state === 'sent') portion.state = 'pending';
      if (outcome === 'failed') await this.#pause(live, backoff);
    }
  }

  /** `'moved'`: the head has. `'failed'`: for the moment, and certainly without effect. */
  async #send(shipment: Shipment, live: readonly Portion[]): Promise<'settled' | 'moved' | 'failed'> {
    try {
      const reply = await this.#lane.txn(shipment.request, { timeoutMs: laneTimeoutMs });
      if (!reply.succeeded) {
        this.#enter(headIn(keyIn(reply.replies[0])));
        return 'moved';
      }
      const { opens, frames, bytes, places } = shipment;
      if (opens !== undefined) this.#enter({ segment: opens, mod: reply.revision });
      this.#frames += frames;
      this.#bytes += bytes;
      let at = 0;
      for (const { drafts, resolve } of live) {
        const mine = places.slice(at, at + drafts.length);
        at += drafts.length;
        resolve(mine.map((place) => ({ ...place, revision: reply.revision })));
      }
      return 'settled';
    } catch (error) {
      if (isPassing(error)) return 'failed';
      for (const portion of live) portion.reject(asQuorateError(error));
      return 'settled';
    }
  }

  #enter(head: Head): void {
    this.#head = head;
    this.#frames = 0;
    this.#bytes = 0;
  }

  #shipmentOf(live: readonly Portion[]): Shipment {
    const { segment, mod } = this.#head;
    const isFull = this.#frames >= this.#segmentFrames || this.#bytes >= bytesPerSegment;
    const opens = isFull ? segment + 1 : undefined;
    const frames = new Map<number, Draft[]>();
    const places = live.flatMap(({ drafts }) =>
      drafts.map((draft) => {
        const partition = draft.partition ?? this.#turn;
        const frame = frames.get(partition) ?? [];
        frames.set(partition, frame);
        return { partition, index: frame.push(draft) - 1 };
      }),
    );
    const puts: Op[] = [];
    let bytes = 0;
    for (const [partition, messages] of frames) {
      const value = encodeFrame(messages);
      bytes += value.length;
      puts.push(put(this.#keyOf(partition, opens ?? segment, messages.length, value.length), value));
    }
    const opening =
      opens === undefined ? [] : [put(this.#keys.head, String(opens)), put(this.#keys.segment(opens), '')];
    const request = txnOf({
      compare: [compare.mod(this.#keys.head, 'equal', mod)],
      success: [...opening, ...puts],
      failure: [get(this.#keys.head)],
    });
    return { request, places, opens, frames: puts.length, bytes };
  }

  #keyOf(partition: number, segment: number, messages: number, bytes: number): string {
    this.#counter += 1;
    return frameKey(this.#keys, partition, segment, {
      publisher: this.#publisher,
      number: this.#counter,
      ...{ messages, bytes, publishedAtMs: this.#runtime.wallMs() },
    });
  }

  async #pause(group: readonly Portion[], backoff: Backoff): Promise<void> {
    await sleep(this.#runtime, backoff.nextMs(), { signal: this.#closed.signal }).catch(() => {
      for (const portion of group) portion.reject(closedError());
    });
  }
}

function closedError(): QuorateError {
  return new QuorateError('closed', 'this object of the topic was closed');
}
