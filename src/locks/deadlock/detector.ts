/**
 * Finds out whether a wait is one of a circle that would never end.
 *
 * Who waits for an owner looks by itself, after `deadlockAfterMs` and then about every 5 s: at all places of the namespace at
 * one revision, in one transaction that only reads. Of each circle only one place is the victim, the one that closed it
 * (see wait-graph.ts), and everybody finds the same one; so whoever finds another's does nothing. Who finds its own looks
 * again after a moment. What the keys say may be over already: who gave up, or released, deletes its key by a
 * request that is under way. Only if the same circle stands still, of the same places for the same owners, it was
 * closed for good, but for the two ends that nobody has to wait for: a member may be about to give up by its own time
 * limit, or be dead, its keys going with its lease. To be told `deadlock` then costs it one attempt and no promise.
 *
 * **Session lost.** The keys that it had stand until its lease ends, and the new places of their owner behind them: by the
 * keys, an owner that waits for itself. So who looks leaves out the places of sessions that its own client has lost.
 *
 * **When things go wrong.** A look that fails is made up for by the next. A place that was lost, or whose turn comes meanwhile,
 * ends the looking. A process that was paused between its two looks compares states that are further apart. More places than
 * one read takes: nothing is looked for, and a warning of the process says so once for each client.
 */
import { QuorateError } from '../../errors.js';
import type { Place } from '../../line/index.js';
import { sleep } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import type { Owner } from '../waiting/owner.js';
import { keysOfOneRead, seePlaces } from './seen-places.js';
import { type Cycle, findCycles } from './wait-graph.js';

export interface OwnersWait {
  readonly client: Client;
  /** Undefined: nobody knows for whom it waits, and nothing is looked for. */
  readonly owner: Owner | undefined;
  /** Those that wait: several for a set of locks. */
  readonly places: readonly Place[];
}

const againEveryMs = 5_000;
/** So far from each other are two looks that must find the same. */
const confirmAfterMs = 100;

/**
 * Settles as `turn` does, or rejects with `deadlock` if one of the places closed a circle. The places stand then as before:
 * who asked gives them up. `turn` must settle when the wait is given up.
 */
export async function orDeadlock<T>(wait: OwnersWait, turn: Promise<T>): Promise<T> {
  const { owner, places } = wait;
  if (owner === undefined || places.every((place) => !isWaiting(place))) return turn;
  const over = new AbortController();
  const circle = new Promise<never>((_resolve, reject) => {
    void untilCircle({ ...wait, owner }, over.signal).then((error) => error && reject(error));
  });
  try {
    return await Promise.race([turn, circle]);
  } finally {
    over.abort();
  }
}

/** Never rejects. Undefined if the wait was over before. */
async function untilCircle(
  { client, owner, places }: OwnersWait & { readonly owner: Owner },
  over: AbortSignal,
): Promise<QuorateError | undefined> {
  const { runtime } = client;
  let before: Cycle | undefined;
  let nextMs = owner.deadlockAfterMs;
  for (;;) {
    await sleep(runtime, nextMs, { signal: over }).catch(() => {});
    if (over.aborted) return undefined;
    const circle = await lookFor(client, places, over).catch(() => undefined);
    if (over.aborted) return undefined;
    if (circle !== undefined && isSame(circle, before)) return deadlock(circle);
    before = circle;
    nextMs = circle === undefined ? againEveryMs * (0.75 + runtime.random() / 2) : confirmAfterMs;
  }
}

/** The circle that one of these places closed. */
async function lookFor(
  client: Client,
  places: readonly Place[],
  signal: AbortSignal,
): Promise<Cycle | undefined> {
  const seen = await seePlaces(client, { signal });
  if (seen.isPartial) {
    warnOnce(client);
    return undefined;
  }
  const own = places.filter(isWaiting).flatMap(({ claims }) => claims);
  // Nobody holds or waits by what a lost session has left, and nobody waits for it longer than its lease lasts.
  const standing = seen.places.filter(({ session }) => !client.hasLost(session));
  return findCycles(standing).find(({ victim }) => {
    return own.some(({ key, created }) => key === victim.key && created === victim.revision);
  });
}

function isSame({ places }: Cycle, before: Cycle | undefined): boolean {
  if (before?.places.length !== places.length) return false;
  return places.every(({ key, revision, owner }) => {
    return before.places.some((one) => {
      return one.key === key && one.revision === revision && one.owner === owner;
    });
  });
}

function isWaiting({ state }: Place): boolean {
  return state.status === 'waiting';
}

function deadlock({ members, sentence }: Cycle): QuorateError {
  return new QuorateError('deadlock', `this wait closed a circle of owners: ${sentence}`, {
    details: { members },
  });
}

const warned = new WeakSet<Client>();

function warnOnce(client: Client): void {
  if (warned.has(client)) return;
  warned.add(client);
  process.emitWarning(
    `deadlocks are not looked for in the namespace ${JSON.stringify(client.keys.namespace)}: its locks have more than ${keysOfOneRead} places`,
    { type: 'QuorateDeadlockWarning' },
  );
}
