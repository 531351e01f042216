import { checkWaitOptions, type WaitOptions } from '../../runtime/index.js';
import { type Client, checkClient } from '../../session/index.js';
import { seePlaces } from './seen-places.js';
import { type DeadlockMember, findCycles } from './wait-graph.js';

/** A circle of owners that wait for each other, as plain data. */
export interface Deadlock {
  /** The owner whose wait closed the circle, and the lock that it waits for: `lock/{name}` or `rwlock/{name}`. */
  readonly victim: { readonly owner: string; readonly lock: string };
  /** Who waits for whom: each for the next, the last for the first, which is the victim. */
  readonly members: readonly DeadlockMember[];
  /** The same for people. */
  readonly sentence: string;
}

/**
 * All circles of owners in the client's namespace as they stood at one revision; empty if there is none. For operators and
 * dashboards: it changes nothing. Those that wait find them by themselves, so one that is seen here is usually
 * gone some seconds later; one that stays has no detection, since its owners are not told of by all of its waits.
 *
 * Owners that wait in the locks of this package are seen: mutexes, sets of locks, read-write locks. Callers without an
 * owner, semaphores, and whatever else a program waits for, are not.
 *
 * Cost: one read, and one more for each 5,000 places of a type beyond the first. Errors: `aborted` and `timeout` as asked for; the store's own.
 */
export async function findDeadlocks(client: Client, options: WaitOptions = {}): Promise<readonly Deadlock[]> {
  checkClient(client);
  checkWaitOptions(options, 'looking for deadlocks');
  const { signal, timeoutMs } = options;
  const { places } = await seePlaces(client, { all: true, signal, timeoutMs });
  return findCycles(places).map(({ members, sentence, victim }) => {
    return { victim: { owner: victim.owner ?? '', lock: victim.lock }, members, sentence };
  });
}
