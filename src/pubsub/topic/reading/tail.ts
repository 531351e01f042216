/**
 * What is being put into a partition, as a watch tells it, for a reader that has nothing more to catch up with. It keeps a
 * bounded number of frames: where its reader is slower than the publishers, the oldest are let go, and the reader turns to the
 * store again, where they are.
 */
import type { QuorateError } from '../../../errors.js';
import type { KeyEvent, KeyRange } from '../../../store/index.js';
import type { HubItem, Subscription, WatchHub } from '../../../watch/index.js';
import { OneWaiter } from '../one-waiter.js';
import { type ReadFrame, readFrame } from './log-pages.js';

const mostFrames = 256;
const mostBytes = 4 * 1_024 * 1_024;

export class Tail {
  readonly #subscription: Subscription;
  #frames: ReadFrame[] = [];
  #bytes = 0;
  #coveredFrom: number | undefined;
  #failure: QuorateError | undefined;
  readonly #reader = new OneWaiter();

  /** `range`: all that is in a partition. */
  constructor(hub: WatchHub, range: Required<KeyRange>) {
    this.#subscription = hub.subscribe({ ...range, without: ['delete'] }, (item) => this.#receive(item));
  }

  /** True if whatever was put after `revision` is here, or will be. Throws if there is no watch any more. */
  covers(revision: number): boolean {
    if (this.#failure !== undefined) throw this.#failure;
    return this.#coveredFrom !== undefined && revision >= this.#coveredFrom;
  }

  /** False from a cut of the watch on until it stands again. */
  get isOpen(): boolean {
    return this.#coveredFrom !== undefined;
  }

  /** The first frame that was put after `revision`, if it is here. It is let go of. */
  take(revision: number): ReadFrame | undefined {
    for (;;) {
      const frame = this.#frames.shift();
      if (frame === undefined) return undefined;
      this.#bytes -= frame.value.length;
      // Whoever has what is up to it is covered as before.
      this.#coveredFrom = Math.max(this.#coveredFrom ?? 0, frame.revision);
      if (frame.revision > revision) return frame;
    }
  }

  /** Resolves at the next news, or sooner for nothing. For one waiter; rejects with the signal's reason. */
  changed(signal: AbortSignal): Promise<void> {
    return this.#reader.woken(signal);
  }

  close(): void {
    this.#subscription.close();
    this.#frames = [];
    this.#reader.wake();
  }

  #receive(item: HubItem): void {
    switch (item.type) {
      case 'opened':
        this.#coveredFrom = item.revision;
        break;
      case 'events':
        for (const event of item.events) this.#keep(event);
        break;
      case 'interrupted':
        this.#coveredFrom = undefined;
        this.#frames = [];
        this.#bytes = 0;
        break;
      case 'failed':
        this.#failure = item.error;
        break;
    }
    this.#reader.wake();
  }

  #keep({ kv }: KeyEvent): void {
    const frame = readFrame(kv);
    if (frame === undefined) return;
    this.#frames.push(frame);
    this.#bytes += kv.value.length;
    while (this.#frames.length > mostFrames || (this.#bytes > mostBytes && this.#frames.length > 1)) {
      const oldest = this.#frames.shift() as ReadFrame;
      this.#bytes -= oldest.value.length;
      this.#coveredFrom = Math.max(this.#coveredFrom ?? 0, oldest.revision);
    }
  }
}
