import { checkWaitOptions, type WaitOptions, waitFor } from '../../runtime/index.js';
import type { CallOptions, TxnReply, TxnRequest } from '../../store/index.js';
import { Granted } from './granted.js';
import type { ReadHold, WriteHold } from './holds.js';
import type { ReadPlace } from './read-place.js';

/** A caller's hold of a {@link ReadPlace}. */
export class PlaceReadHold extends Granted implements ReadHold {
  readonly #readers: ReadPlace;
  /** Writes wait for this to resolve. */
  #paused: Promise<void> | undefined;

  constructor(readers: ReadPlace, number: number) {
    super(readers.kit, readers.place, number);
    this.#readers = readers;
  }

  override async txn(request: Partial<TxnRequest>, options: CallOptions = {}): Promise<TxnReply> {
    const doing = 'writing under a hold';
    checkWaitOptions(options, doing);
    const { runtime } = this.#readers.kit.client;
    while (this.#paused !== undefined) await waitFor(runtime, this.#paused, options, doing);
    return super.txn(request, options);
  }

  async upgrade(options: WaitOptions = {}): Promise<WriteHold> {
    const doing = `upgrading a hold of the lock ${JSON.stringify(this.#readers.kit.name)}`;
    checkWaitOptions(options, doing);
    await this.confirm();
    return this.#readers.upgrade(this, options, doing);
  }

  /** Has writes that are asked for from here on wait until then. */
  pauseWrites(until: Promise<void>): void {
    const paused = until.then(() => {
      if (this.#paused === paused) this.#paused = undefined;
    });
    this.#paused = paused;
  }
}
