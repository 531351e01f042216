import { type JoinOptions, type Place, sendJoinings } from '../../line/index.js';
import { orGiveUp } from '../../runtime/or-give-up.js';
import type { Session } from '../../session/index.js';
import { compare } from '../../store/index.js';
import { ownerOf } from '../waiting/owner.js';
import { standInLine } from '../waiting/stand-in-line.js';
import type { Kit } from './kit.js';
import type { ReadWriteWaitOptions } from './options.js';
import { readerShape, writerShape, writersOf } from './shapes.js';

/** A place of one caller's own, once its turn has come. Lost before, it stands again at the end of the line. */
export function takePlace(
  kit: Kit,
  as: 'reader' | 'writer',
  options: ReadWriteWaitOptions,
  doing: string,
): Promise<Place> {
  const { client, line } = kit;
  const join = joinOptions(as, options.owner);
  const standing = {
    ...{ client, owner: ownerOf(options), doing },
    join: (session: Session) => line.join(session, join),
    leave: (place: Place) => line.leave(place),
  };
  return orGiveUp(
    client.runtime,
    (givenUp) => standInLine(standing, givenUp),
    (place) => void line.leave(place),
    options,
    doing,
  );
}

/** A place whose turn has come at once, or undefined. One request. */
export function tryPlace(
  kit: Kit,
  as: 'reader' | 'writer',
  options: ReadWriteWaitOptions,
  doing: string,
): Promise<Place | undefined> {
  const join = joinOptions(as, options.owner);
  return orGiveUp(
    kit.client.runtime,
    (givenUp) => tryOnce(kit, as, join, givenUp),
    (place) => place && void kit.line.leave(place),
    options,
    doing,
  );
}

function joinOptions(as: 'reader' | 'writer', owner: string | undefined): JoinOptions {
  const shape = as === 'reader' ? readerShape : writerShape;
  return owner === undefined ? { shape } : { shape, says: { owner } };
}

async function tryOnce(
  { client, line }: Kit,
  as: 'reader' | 'writer',
  join: JoinOptions,
  givenUp: AbortSignal,
): Promise<Place | undefined> {
  const session = await client.session({ signal: givenUp });
  givenUp.throwIfAborted();
  // A reader goes past nobody who waits: it would wait behind a writer.
  const free = compare.create(as === 'reader' ? writersOf(line) : line.range, 'equal', 0);
  const [place] =
    (await sendJoinings({
      ...{ client, session, joinings: [line.joining(session, join)] },
      compare: [session.guard(), free],
      mayBeRefused: true,
    })) ?? [];
  if (place === undefined) return undefined;
  // After a pause the clock is asked first, and what stood still may go on.
  if (!place.isLive) await place.settled();
  if (place.state.status === 'admitted' && place.isLive) return place;
  await line.leave(place);
  return undefined;
}
