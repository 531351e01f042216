/**
 * One Watch call: several watches of one client on one stream.
 *
 * Everything that goes out passes through one queue, so the client sees, in this order: `created` before any event
 * of a watch; every event of a revision before a progress reply of that revision; nothing of a watch after its
 * `canceled`. Events of one revision travel in one message (unless the client asked for fragments), at the end of
 * the turn in which they happened, which is after the reply to the write was queued.
 *
 * A client that does not read: the queue takes a few mebibytes; a watch whose events no longer fit leaves the
 * engine and remembers where it was. When the queue has emptied it reads on from the history at that revision, so
 * nothing is missed and nothing is held twice; if that part of history was compacted meanwhile, the watch ends
 * with `compact_revision`, as in etcd. A client that goes on sending requests without reading is not read from.
 */
import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { Engine, EngineWatch, EngineWatchItem } from '../engine/index.js';
import type { Runtime, Timer } from '../runtime/index.js';
import { inRange, type KeyRange } from '../store/index.js';
import { maxRequestBytes } from './kv-service.js';
import type { Member } from './member.js';
import { refusals, streamError } from './refusals.js';
import { eventMessage, leaseValue } from './replies.js';
import { idFrom, keyFrom, numberFrom } from './requests.js';
import { cut, type Outgoing, WatchQueue } from './watch-queue.js';
import type { HeaderMessage, WatchCreateMessage, WatchRequestMessage, WatchResponseMessage } from './wire.js';

export interface WatchStreamContext {
  readonly engine: Engine;
  readonly member: Member;
  readonly runtime: Runtime;
  /** How long a quiet watch with `progress_notify` goes without a word. */
  readonly progressNotifyMs: number;
}

export type WatchCall = ServerDuplexStream<WatchRequestMessage, WatchResponseMessage>;

/** The id of replies that belong to no watch. */
const noWatch = '-1';
const maxQueuedBytes = 4 * 1024 * 1024;
/** Small enough for a client with gRPC's own limit of 4 MiB a message. */
const maxMessageBytes = 1024 * 1024;
const maxQueuedReplies = 1_000;

interface StreamWatch {
  readonly id: string;
  readonly range: KeyRange;
  readonly without: readonly ('put' | 'delete')[];
  readonly prevKv: boolean;
  readonly fragment: boolean;
  readonly progressNotify: boolean;
  engineWatch: EngineWatch | undefined;
  /** The first revision that did not fit into the queue. */
  lagsFrom: number | undefined;
  /** True if it has had no event since the last time that progress was told. */
  quiet: boolean;
}

export class WatchStream {
  readonly #call: WatchCall;
  readonly #context: WatchStreamContext;
  readonly #watches = new Map<string, StreamWatch>();
  readonly #lagging = new Set<StreamWatch>();
  readonly #queue = new WatchQueue<StreamWatch>({
    maxWeight: maxQueuedBytes,
    maxMessageWeight: maxMessageBytes,
  });
  #nextId = 0;
  #blocked = false;
  #flushQueued = false;
  #progressAsked = false;
  #progressTimer: Timer | undefined;
  #closed = false;

  constructor(call: WatchCall, context: WatchStreamContext) {
    this.#call = call;
    this.#context = context;
    call.on('data', (message: WatchRequestMessage) => this.#onRequest(message));
    call.on('drain', () => {
      this.#blocked = false;
      this.#flush();
    });
    // A client that has said all goes on listening, as with etcd: 'end' is no reason to stop.
    call.on('cancelled', () => this.#fail());
    for (const event of ['close', 'error'] as const) call.on(event, () => this.#close());
  }

  #fail(): void {
    this.#close();
    this.#call.emit('error', streamError(refusals.watchCanceled));
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#progressTimer?.cancel();
    for (const watch of this.#watches.values()) watch.engineWatch?.close();
    this.#watches.clear();
    this.#lagging.clear();
    this.#queue.clear();
  }

  #onRequest(message: WatchRequestMessage): void {
    if (this.#closed) return;
    if (message.create_request !== undefined) this.#create(message.create_request);
    else if (message.cancel_request !== undefined) this.#cancel(idFrom(message.cancel_request.watch_id));
    else if (message.progress_request !== undefined) this.#progressAsked = true;
    this.#flush();
    if (this.#queue.length > maxQueuedReplies) this.#call.pause();
  }

  #header(): HeaderMessage {
    return this.#context.member.header(this.#context.engine.revision);
  }

  #create(message: WatchCreateMessage): void {
    const created = readCreate(message);
    const asked = idFrom(message.watch_id);
    const fault =
      created.fault ??
      (asked !== '0' && this.#watches.has(asked)
        ? 'mvcc: duplicate watch ID provided on the WatchStream'
        : undefined);
    if (fault !== undefined) {
      this.#queue.pushMessage({
        header: this.#header(),
        watch_id: noWatch,
        created: true,
        canceled: true,
        cancel_reason: fault,
      });
      return;
    }
    const watch: StreamWatch = {
      ...created.watch,
      id: asked === '0' ? this.#chooseId() : asked,
      engineWatch: undefined,
      lagsFrom: undefined,
      quiet: true,
    };
    this.#watches.set(watch.id, watch);
    this.#queue.pushMessage({ header: this.#header(), watch_id: leaseValue(watch.id), created: true });
    const start = message.start_revision;
    this.#open(watch, start === undefined ? 0 : Math.max(start.high < 0 ? 1 : 0, numberFrom(start)));
    if (watch.progressNotify) this.#armProgress();
  }

  #chooseId(): string {
    while (this.#watches.has(String(this.#nextId))) this.#nextId += 1;
    const id = String(this.#nextId);
    this.#nextId += 1;
    return id;
  }

  /** `fromRevision` 0: from now. History comes before this returns. */
  #open(watch: StreamWatch, fromRevision: number): void {
    const { range, without, prevKv } = watch;
    watch.engineWatch = this.#context.engine.watch({ ...range, fromRevision, without, prevKv }, (item) =>
      this.#onItem(watch, item),
    );
  }

  /** Runs inside the engine: only notes what came. */
  #onItem(watch: StreamWatch, item: EngineWatchItem): void {
    if (this.#closed || watch.lagsFrom !== undefined) return;
    if (item.type === 'events') {
      const { events, headerRevision } = item;
      if (!this.#queue.pushEvents({ watch, events, headerRevision })) {
        watch.lagsFrom = events[0]?.kv.modRevision;
        this.#lagging.add(watch);
      }
      watch.quiet = false;
    } else if (item.type === 'compacted') {
      this.#queue.pushMessage({
        header: this.#context.member.header(item.compactRevision),
        watch_id: leaseValue(watch.id),
        canceled: true,
        compact_revision: item.compactRevision,
      });
    }
    this.#flushSoon();
  }

  #cancel(id: string): void {
    const watch = this.#watches.get(id);
    // As etcd: not a word on a watch that is not there.
    if (watch === undefined) return;
    watch.engineWatch?.close();
    this.#watches.delete(id);
    this.#lagging.delete(watch);
    this.#queue.dropEvents(watch);
    this.#queue.pushMessage({ header: this.#header(), watch_id: leaseValue(id), canceled: true });
  }

  #flushSoon(): void {
    if (this.#flushQueued) return;
    this.#flushQueued = true;
    queueMicrotask(() => {
      this.#flushQueued = false;
      this.#flush();
    });
  }

  #flush(): void {
    for (;;) {
      while (!this.#blocked && !this.#closed) {
        const next = this.#queue.shift();
        if (next === undefined) break;
        this.#send(next);
      }
      if (this.#blocked || this.#closed) return;
      if (this.#call.isPaused()) this.#call.resume();
      if (this.#lagging.size === 0) break;
      this.#catchUp();
    }
    if (this.#progressAsked) {
      this.#progressAsked = false;
      this.#write({ header: this.#header(), watch_id: noWatch });
    }
  }

  #catchUp(): void {
    const lagging = [...this.#lagging];
    this.#lagging.clear();
    for (const watch of lagging) {
      const fromRevision = watch.lagsFrom ?? 0;
      watch.engineWatch?.close();
      watch.lagsFrom = undefined;
      this.#open(watch, fromRevision);
    }
  }

  #send(item: Outgoing<StreamWatch>): void {
    if (!('watch' in item)) {
      this.#write(item);
      return;
    }
    const { watch, events, headerRevision } = item;
    const header = this.#context.member.header(headerRevision);
    const parts = watch.fragment ? cut(events, maxRequestBytes) : [events];
    parts.forEach((part, index) => {
      this.#write({
        header,
        watch_id: leaseValue(watch.id),
        events: part.map(eventMessage),
        ...(index < parts.length - 1 && { fragment: true }),
      });
    });
  }

  #write(message: WatchResponseMessage): void {
    if (!this.#call.write(message)) this.#blocked = true;
  }

  #armProgress(): void {
    const { runtime, progressNotifyMs } = this.#context;
    // Up to a tenth more, so that clients that came together are not all told together.
    this.#progressTimer ??= runtime.setTimer(
      progressNotifyMs * (1 + runtime.random() / 10),
      () => {
        this.#progressTimer = undefined;
        this.#notifyProgress();
      },
      { background: true },
    );
  }

  /** Tells quiet watches how far they are; the others have had an event to tell them. */
  #notifyProgress(): void {
    const asking = [...this.#watches.values()].filter((watch) => watch.progressNotify);
    for (const watch of asking) {
      if (watch.quiet && watch.lagsFrom === undefined) {
        this.#queue.pushMessage({ header: this.#header(), watch_id: leaseValue(watch.id) });
      }
      watch.quiet = true;
    }
    this.#flush();
    if (asking.length > 0 && !this.#closed) this.#armProgress();
  }
}

type CreateFields = Pick<StreamWatch, 'range' | 'without' | 'prevKv' | 'fragment' | 'progressNotify'>;

function readCreate(message: WatchCreateMessage): { watch: CreateFields; fault?: string } {
  // Without a key: from the smallest one.
  const key = keyFrom(message.key) || '\0';
  const rangeEnd = keyFrom(message.range_end);
  const range = rangeEnd === '' ? { key } : { key, rangeEnd };
  const watch: CreateFields = {
    range,
    without: [
      ...(message.filters.includes(0) ? (['put'] as const) : []),
      ...(message.filters.includes(1) ? (['delete'] as const) : []),
    ],
    prevKv: message.prev_kv ?? false,
    fragment: message.fragment ?? false,
    progressNotify: message.progress_notify ?? false,
  };
  if (!inRange(range, key)) return { watch, fault: 'mvcc: watcher range is empty' };
  const unknown = message.filters.find((filter) => filter < 0 || filter > 1);
  if (unknown !== undefined)
    return { watch, fault: `quorate embedded: watch filter ${unknown} is not known` };
  return { watch };
}
