import { isPermanent } from '../../errors.js';
import type { Place } from '../../line/index.js';
import { Backoff, sleep, type WaitOptions } from '../../runtime/index.js';
import { Callers } from '../waiting/callers.js';
import type { Kit } from './kit.js';
import type { PlaceReadHold } from './read-hold.js';
import { ReadPlace } from './read-place.js';
import { readerShape } from './shapes.js';

/**
 * The readers of one process, first come first served. Those who come within a slice share a place; who comes later
 * stands with a new one behind the writers that have queued meanwhile.
 */
export class ReadSlices {
  readonly #kit: Kit;
  readonly #callers: Callers<PlaceReadHold>;
  #slice: ReadPlace | undefined;
  #serving: Promise<void> | undefined;

  constructor(kit: Kit) {
    this.#kit = kit;
    this.#callers = new Callers(kit.client.runtime);
  }

  wait(options: WaitOptions, doing: string): Promise<PlaceReadHold> {
    const turn = this.#callers.wait(options, doing);
    this.#grant();
    this.#serve();
    return turn;
  }

  /** A hold by a slice that is going on, or undefined. */
  join(): PlaceReadHold | undefined {
    return this.#callers.size === 0 && this.#slice?.isOpen ? this.#slice.grantHold() : undefined;
  }

  /** Lets in who waits, as many as the slice that is going on takes. */
  #grant(): void {
    const slice = this.#slice;
    while (slice?.isOpen && this.#callers.serve(() => slice.grantHold()) !== undefined);
  }

  #serve(): void {
    if (this.#callers.size === 0) return;
    this.#serving ??= this.#serveAll()
      .catch((error: unknown) => this.#callers.refuse(error))
      .then(() => {
        this.#serving = undefined;
        this.#serve();
      });
  }

  async #serveAll(): Promise<void> {
    const { client, line, settings } = this.#kit;
    const backoff = new Backoff(client.runtime, { firstMs: 10, longestMs: 1_000 });
    while (this.#callers.size > 0) {
      let place: Place | undefined;
      try {
        place = await line.join(await client.session(), { shape: readerShape });
        if (await this.#isTurn(place)) {
          backoff.reset();
          this.#slice = new ReadPlace(this.#kit, { place }, { grants: settings.sliceGrants });
          this.#grant();
          // Where nobody came in, since all have given up meanwhile, nobody will leave it.
          this.#slice.closeIfUnused();
          continue;
        }
        await line.leave(place);
      } catch (error) {
        if (place !== undefined) await line.leave(place);
        if (isPermanent(error)) throw error;
      }
      if (this.#callers.size > 0) await sleep(client.runtime, backoff.nextMs());
    }
  }

  /** Waits until its turn has come. False if it is gone first, or nobody waits any more. */
  async #isTurn(place: Place): Promise<boolean> {
    const empty = this.#callers.empty();
    try {
      await Promise.race([place.turn.catch(() => undefined), empty.promise]);
    } finally {
      empty.cancel();
    }
    // After a pause the clock is asked first, and what stood still may go on.
    if (!place.session.isLive()) await place.session.settled();
    return this.#callers.size > 0 && place.state.status === 'admitted' && place.session.isLive();
  }
}
