import { isPermanent } from '../../errors.js';
import { type JoinOptions, type Place, sendJoinings } from '../../line/index.js';
import { Backoff, type Runtime, sleep, type WaitOptions, waitFor } from '../../runtime/index.js';
import { compare } from '../../store/index.js';
import type { Kit } from './kit.js';
import { leaveWhole } from './leave-whole.js';
import type { ReadWriteWaitOptions } from './options.js';
import { readerShape, writerShape, writersOf } from './shapes.js';

/**
 * What the attempt comes to, or `aborted` or `timeout`. The attempt is told by its signal that it was given up; what it
 * still comes to then is undone in the background.
 */
export async function orGiveUp<T>(
  runtime: Runtime,
  attempt: (givenUp: AbortSignal) => Promise<T>,
  undo: (value: T) => void,
  options: WaitOptions,
  doing: string,
): Promise<T> {
  const controller = new AbortController();
  const result = attempt(controller.signal);
  try {
    return await waitFor(runtime, result, options, doing);
  } catch (error) {
    controller.abort(error);
    result.then(undo, () => {});
    throw error;
  }
}

/** A place of one caller's own, once its turn has come. Lost before, it stands again at the end of the line. */
export function takePlace(
  kit: Kit,
  as: 'reader' | 'writer',
  options: ReadWriteWaitOptions,
  doing: string,
): Promise<Place> {
  const join = joinOptions(as, options.owner);
  return orGiveUp(
    kit.client.runtime,
    (givenUp) => stand(kit, join, givenUp, doing),
    (place) => void leaveWhole(kit.line, place),
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
    (place) => place && void leaveWhole(kit.line, place),
    options,
    doing,
  );
}

function joinOptions(as: 'reader' | 'writer', owner: string | undefined): JoinOptions {
  const shape = as === 'reader' ? readerShape : writerShape;
  return owner === undefined ? { shape } : { shape, says: { owner } };
}

async function stand(
  { client, line }: Kit,
  join: JoinOptions,
  givenUp: AbortSignal,
  doing: string,
): Promise<Place> {
  const { runtime } = client;
  const backoff = new Backoff(runtime, { firstMs: 10, longestMs: 1_000 });
  for (;;) {
    givenUp.throwIfAborted();
    let place: Place | undefined;
    try {
      place = await line.join(await client.session({ signal: givenUp }), join);
      await waitFor(runtime, place.turn, { signal: givenUp }, doing);
      // After a pause the clock is asked first, and what stood still may go on.
      if (!place.session.isLive()) await place.session.settled();
      if (place.state.status === 'admitted' && place.session.isLive()) return place;
    } catch (error) {
      if (isPermanent(error)) throw error;
    }
    if (place !== undefined) await leaveWhole(line, place);
    await sleep(runtime, backoff.nextMs(), { signal: givenUp });
  }
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
    })) ?? [];
  if (place === undefined) return undefined;
  if (place.state.status === 'admitted' && session.isLive()) return place;
  await leaveWhole(line, place);
  return undefined;
}
