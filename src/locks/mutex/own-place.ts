/**
 * A place in a mutex's line that serves one caller and no other. A place that is passed on among the callers of a process stands for
 * whoever comes, so nobody can say for whom it waits; one that is taken for an owner says so (`owner`), waits for its own
 * turn, and is left when its only hold is over.
 *
 * Session lost, or place deleted while it waits: it stands again, at the end of the line. Given up, by whatever end: the place is
 * left, in the background if it is not known yet.
 */
import { fencingToken, type Line, type Place } from '../../line/index.js';
import type { WaitOptions } from '../../runtime/index.js';
import { orGiveUp } from '../../runtime/or-give-up.js';
import type { Client } from '../../session/index.js';
import type { PlaceHold } from '../hold.js';
import type { Owner } from '../waiting/owner.js';
import { type StandInLine, standInLine } from '../waiting/stand-in-line.js';
import { dedicatedHold } from './dedicated-hold.js';
import type { LockDelay } from './lock-delay.js';
import type { LockReport } from './lock-report.js';

export interface OwnPlaceParts {
  readonly client: Client;
  readonly line: Line;
  /** After how many milliseconds the place begins to be watched for deletion by somebody else. */
  readonly watchHoldAfterMs: number;
  /** For whom it is, if that was told. */
  readonly owner?: Owner | undefined;
  /** Told of what becomes of its hold. */
  readonly report?: LockReport | undefined;
  readonly delay?: LockDelay | undefined;
}

export interface OwnPlaceCaller {
  readonly owner: Owner;
  readonly options: WaitOptions;
  readonly doing: string;
}

/** Rejects with `aborted`, `timeout`, `deadlock`, or what trying again does not mend. */
export function acquireOwnPlace(parts: OwnPlaceParts, caller: OwnPlaceCaller): Promise<PlaceHold> {
  const { client, line, delay } = parts;
  const { owner, options, doing } = caller;
  const says = { owner: owner.name };
  const standing: StandInLine = {
    ...{ client, owner, doing },
    join: (session) =>
      delay === undefined
        ? line.join(session, { says })
        : delay.leaseOf(session).then((lease) => line.join(session, { says, delay: lease })),
    leave: (place) => line.leave(place),
    secure: delay && ((place) => delay.secure(place)),
  };
  return orGiveUp(
    client.runtime,
    async (givenUp) => holdOwnPlace({ ...parts, owner }, await standInLine(standing, givenUp)),
    (hold) => void hold.release(),
    options,
    doing,
  );
}

/** One request; undefined if somebody stands in the line. */
export function tryOwnPlace(
  parts: OwnPlaceParts,
  { owner, options, doing }: OwnPlaceCaller,
): Promise<PlaceHold | undefined> {
  const { client, line, delay } = parts;
  const attempt = async (givenUp: AbortSignal) => {
    const session = await client.session({ signal: givenUp });
    const lease = delay && (await delay.leaseOf(session));
    givenUp.throwIfAborted();
    const place = await line.joinIfEmpty(session, { says: { owner: owner.name }, delay: lease });
    if (place === undefined) return undefined;
    // After a pause the clock is asked first, and what stood still may go on.
    if (!place.isLive) await place.settled();
    if (place.state.status === 'admitted' && place.isLive) return holdOwnPlace({ ...parts, owner }, place);
    await line.leave(place);
    return undefined;
  };
  return orGiveUp(client.runtime, attempt, (hold) => void hold?.release(), options, doing);
}

/** The only hold of a place whose turn has come: the place is left when it is over. */
export function holdOwnPlace(parts: OwnPlaceParts, place: Place): PlaceHold {
  const { client, line, watchHoldAfterMs, report, owner } = parts;
  const proof = place.state.status === 'admitted' ? place.state.revision : place.asOf;
  const watch = () => line.guardAgainstDeletion(place);
  const watched = client.runtime.setTimer(watchHoldAfterMs, watch, { background: true });
  const token = fencingToken(proof, 0);
  const hold = dedicatedHold({ client, line, place, token, listener: report, owner }, () => {
    watched.cancel();
    return line.leave(place);
  });
  report?.granted(hold);
  return hold;
}
