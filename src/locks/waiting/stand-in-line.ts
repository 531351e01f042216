import { isForbidden, isPermanent } from '../../errors.js';
import type { Place } from '../../line/index.js';
import { Backoff, sleep, waitFor } from '../../runtime/index.js';
import type { Client, Session } from '../../session/index.js';
import { orDeadlock } from '../deadlock/detector.js';
import type { Owner } from './owner.js';

export interface StandInLine {
  readonly client: Client;
  readonly owner: Owner | undefined;
  readonly join: (session: Session) => Promise<Place>;
  /** Must not reject. */
  readonly leave: (place: Place) => Promise<unknown>;
  readonly doing: string;
  /** What has to be done once its turn has come, and before it is used. A place that is not left meanwhile. */
  readonly secure?: ((place: Place) => Promise<unknown>) | undefined;
}

/**
 * A place whose turn has come. Lost before, it stands again at the end of the line. Rejects with what `givenUp` fired with,
 * with `deadlock`, or with what trying again does not mend; nothing is left behind then, unless it is forbidden to take it away.
 */
export async function standInLine(options: StandInLine, givenUp: AbortSignal): Promise<Place> {
  const { client, owner, join, leave, doing, secure } = options;
  const { runtime } = client;
  const backoff = new Backoff(runtime, { firstMs: 10, longestMs: 1_000 });
  for (;;) {
    givenUp.throwIfAborted();
    let place: Place | undefined;
    let failure: unknown;
    try {
      place = await join(await client.session({ signal: givenUp }));
      const turn = waitFor(runtime, place.turn, { signal: givenUp }, doing);
      await orDeadlock({ client, owner, places: [place] }, turn);
      if (secure !== undefined) await secure(place);
      // After a pause the clock is asked first, and what stood still may go on.
      if (!place.isLive) await place.settled();
      if (place.state.status === 'admitted' && place.isLive) return place;
    } catch (error) {
      failure = error;
    }
    const left = place && leave(place);
    // What forbids to join may forbid to leave, and then the place goes with the session.
    if (isForbidden(failure)) throw failure;
    await left;
    if (failure !== undefined && isPermanent(failure)) throw failure;
    await sleep(runtime, backoff.nextMs(), { signal: givenUp }).catch(() => {});
  }
}
