import type { Engine, EngineWatch, EngineWatchItem } from '../../engine/index.js';
import type { WatchRequest } from '../../store/index.js';
import type { Member } from './member.js';

/** Where the items of a watch go when the member has them. */
export interface WatchReceiver {
  receive(item: EngineWatchItem): void;
  /** The member has ended the stream: it knows no leader, or it is gone. */
  broken(reason: string): void;
}

/** A watch as one member serves it: what the member has not applied yet, the watch does not show. */
export class ServerWatch {
  readonly member: Member;
  readonly receiver: WatchReceiver;
  readonly #engineWatch: EngineWatch;
  readonly #waiting: EngineWatchItem[] = [];

  constructor(engine: Engine, member: Member, request: WatchRequest, receiver: WatchReceiver, nowMs: number) {
    this.member = member;
    this.receiver = receiver;
    // A member cannot show less than compaction has left.
    const applied = Math.max(member.applied(nowMs), engine.compactRevision);
    const fromNow = (request.fromRevision ?? 0) === 0;
    const isBehind = applied < engine.revision;
    const asked = fromNow && isBehind ? { ...request, fromRevision: applied + 1 } : request;
    this.#engineWatch = engine.watch(asked, (item) => this.#waiting.push(item));
    const opened = this.#waiting.shift();
    if (opened?.type === 'opened') this.receiver.receive({ type: 'opened', revision: applied });
  }

  /** Hands on what the member has applied by now. */
  flush(nowMs: number): void {
    const applied = this.member.applied(nowMs);
    for (;;) {
      const [item] = this.#waiting;
      if (item === undefined || (item.type === 'events' && item.revision > applied)) return;
      this.#waiting.shift();
      this.receiver.receive(item);
    }
  }

  close(): void {
    this.#engineWatch.close();
    this.#waiting.length = 0;
  }
}
