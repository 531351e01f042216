import { isPermanent } from '../errors.js';
import type { Place } from '../line/index.js';
import { Backoff, sleep, waitFor } from '../runtime/index.js';
import type { Client, Session } from '../session/index.js';
import { orDeadlock } from './deadlock/detector.js';
import type { Owner } from './owner.js';

export interface StandInLine {
  readonly client: Client;
  readonly owner: Owner | undefined;
  readonly join: (session: Session) => Promise<Place>;
  /** Must not reject. */
  readonly leave: (place: Place) => Promise<unknown>;
  readonly doing: string;
}

/**
 * A place whose turn has come. Lost before, it stands again at the end of the line. Rejects with what `givenUp` fired with,
 * with `deadlock`, or with what trying again does not mend; nothing is left behind then.
 */
export async function standInLine(options: StandInLine, givenUp: AbortSignal): Promise<Place> {
  const { client, owner, join, leave, doing } = options;
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
      // After a pause the clock is asked first, and what stood still may go on.
      if (!place.session.isLive()) await place.session.settled();
      if (place.state.status === 'admitted' && place.session.isLive()) return place;
    } catch (error) {
      failure = error;
    }
    if (place !== undefined) await leave(place);
    if (failure !== undefined && isPermanent(failure)) throw failure;
    await sleep(runtime, backoff.nextMs(), { signal: givenUp }).catch(() => {});
  }
}
