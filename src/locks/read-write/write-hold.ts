import { giveUpWriteKey } from './give-up-write-key.js';
import { Granted, watchLater } from './granted.js';
import type { ReadHold, WriteHold } from './holds.js';
import type { Kit, Taken } from './kit.js';

/** The hold of a place that has a write key and a read key, and whose turn has come. */
export class PlaceWriteHold extends Granted implements WriteHold {
  readonly #kit: Kit;
  readonly #watchNoMore: () => void;
  readonly #taken: Taken;
  #isTurning = false;

  constructor(kit: Kit, taken: Taken) {
    super(kit, taken.place, 0);
    this.#kit = kit;
    this.#taken = taken;
    this.#watchNoMore = watchLater(kit, taken.place);
    void this.#leaveWhenReleased();
  }

  async downgrade(): Promise<ReadHold> {
    await this.confirm();
    this.assertHeld();
    this.#isTurning = true;
    void this.grant.release();
    try {
      // What nobody knows of a write dies with the write key, which guards it.
      await this.settled();
      await giveUpWriteKey(this.#kit, this.place);
      return this.#kit.readHoldAfterWriting(this.#taken);
    } finally {
      this.#watchNoMore();
      this.passedOn();
    }
  }

  async #leaveWhenReleased(): Promise<void> {
    await this.released;
    if (this.#isTurning) return;
    this.#watchNoMore();
    await this.settled();
    await this.#kit.line.leave(this.place);
    this.passedOn();
  }
}
