import { grantsPerRevision, type Place } from '../../line/index.js';
import { type WaitOptions, waitFor } from '../../runtime/index.js';
import { watchLater } from './granted.js';
import type { WriteHold } from './holds.js';
import type { Kit, Taken } from './kit.js';
import { PlaceReadHold } from './read-hold.js';
import { Upgrade, upgradeConflict } from './upgrade.js';

export interface ReadPlaceOptions {
  /** How many holds it may give out, at the most. Default 1. */
  readonly grants?: number;
  /** Grants of the same proof that there were before. Default 0. */
  readonly grantsBefore?: number;
}

/**
 * A reader's place whose turn has come, and the callers of this process that hold by it. It takes callers for one slice,
 * so that a writer who stands behind it waits for that, and for those who hold, and no longer. When the last of them is
 * done it is left.
 */
export class ReadPlace {
  readonly kit: Kit;
  readonly place: Place;
  readonly owner: string | undefined;
  readonly #most: number;
  readonly #grantsBefore: number;
  readonly #endMs: number;
  readonly #holds = new Set<PlaceReadHold>();
  readonly #watchNoMore: () => void;
  #granted = 0;
  #isClosed = false;
  #isTurned = false;
  #isSettled = true;
  #upgrade: Upgrade | undefined;
  #onFewer: () => void = () => {};

  constructor(kit: Kit, { place, owner }: Taken, { grants = 1, grantsBefore = 0 }: ReadPlaceOptions = {}) {
    this.kit = kit;
    this.place = place;
    this.owner = owner;
    this.#most = Math.min(grants, grantsPerRevision - grantsBefore);
    this.#grantsBefore = grantsBefore;
    this.#endMs = kit.client.runtime.monotonicMs() + kit.settings.sliceMs;
    this.#watchNoMore = watchLater(kit, place);
  }

  /** Whether another caller may come in. */
  get isOpen(): boolean {
    const { state, session } = this.place;
    if (this.#isClosed || state.status !== 'admitted' || !session.isLive()) return false;
    if (this.#granted === 0) return true;
    return this.#granted < this.#most && this.kit.client.runtime.monotonicMs() < this.#endMs;
  }

  /** False if a write under one of the holds that are over may still be applied. */
  get isSettled(): boolean {
    return this.#isSettled;
  }

  grantHold(): PlaceReadHold {
    const hold = new PlaceReadHold(this, this.#grantsBefore + this.#granted);
    this.#granted += 1;
    this.#holds.add(hold);
    void this.#endWhenReleased(hold);
    return hold;
  }

  /** Leaves it if nobody has come. */
  closeIfUnused(): void {
    if (this.#granted === 0) void this.#close();
  }

  /** Resolves when nobody but this one holds by it. */
  async onlyHeldBy(hold: PlaceReadHold): Promise<void> {
    while ([...this.#holds].some((other) => other !== hold)) {
      await new Promise<void>((resolve) => {
        this.#onFewer = resolve;
      });
    }
  }

  /** Makes of it a writer's place; one caller at a time, since each would wait for the other. */
  async upgrade(hold: PlaceReadHold, options: WaitOptions, doing: string): Promise<WriteHold> {
    while (this.#upgrade !== undefined) {
      if (!this.#upgrade.isGivenUp) throw upgradeConflict(this.kit.name);
      await waitFor(this.kit.client.runtime, this.#upgrade.over, options, doing);
      await hold.confirm();
    }
    hold.assertHeld();
    this.#isClosed = true;
    const upgrade = new Upgrade(this, hold);
    this.#upgrade = upgrade;
    void upgrade.over.then(() => {
      this.#upgrade = undefined;
    });
    return upgrade.hold(options, doing);
  }

  /** It goes on as part of a writer's place, which will be left in its stead. */
  turned(): void {
    this.#isTurned = true;
    this.#watchNoMore();
  }

  async #endWhenReleased(hold: PlaceReadHold): Promise<void> {
    await hold.released;
    if (!(await hold.settled())) this.#isSettled = false;
    this.#holds.delete(hold);
    this.#onFewer();
    if (this.#holds.size === 0) await this.#close();
    hold.passedOn();
  }

  async #close(): Promise<void> {
    this.#isClosed = true;
    if (this.#isTurned) return;
    this.#watchNoMore();
    // It may be writing the read key anew, and that revision is the guard of its deletion.
    await this.#upgrade?.over;
    await this.kit.line.leave(this.place);
  }
}
