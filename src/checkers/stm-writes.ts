/** Whether what transactions wrote is in the history, all of each at once, and nothing else. */
import { type Key, type KeyEvent, textOf } from '../store/index.js';
import type { History } from './history.js';
import { broken } from './sentences.js';
import type { SeenTransaction, StmCheck } from './stm.js';

/** A transaction of which nobody knows whether it was committed. Its values are its own: nobody else puts them. */
export interface UnsettledTransaction {
  readonly process: string;
  readonly writes: ReadonlyMap<Key, string | undefined>;
}

/** Throws STM-2. Answers how many of the unsettled ones were committed. */
export function claimsOf({ history, data, committed, unsettled = [] }: StmCheck): number {
  const claimed = new Map<KeyEvent, string>();
  const claim = (process: string, event: KeyEvent) => {
    const other = claimed.get(event);
    const { key, modRevision } = event.kv;
    if (other !== undefined) {
      broken('STM-2', `${key} at revision ${modRevision} was written by ${process} and by ${other}`);
    }
    claimed.set(event, process);
  };
  for (const one of committed) {
    for (const event of eventsOf(history, one, one.revision)) claim(one.process, event);
  }
  let applied = 0;
  for (const one of unsettled) {
    const revision = appliedAt(history, one);
    if (revision === undefined) continue;
    applied += 1;
    for (const event of eventsOf(history, one, revision)) claim(one.process, event);
  }
  for (const key of history.keysIn(data)) {
    for (const event of history.eventsOf(key)) {
      if (claimed.has(event)) continue;
      const what =
        event.type === 'put' ? `was put as ${JSON.stringify(textOf(event.kv.value))}` : 'was deleted';
      broken(
        'STM-2',
        `${key} ${what} at revision ${event.kv.modRevision}, by no transaction that was committed`,
      );
    }
  }
  return applied;
}

/** What it did to keys, which must be all that it was to do. To delete what is not there does nothing. */
function eventsOf(
  history: History,
  { process, writes }: Pick<SeenTransaction, 'process' | 'writes'>,
  revision: number,
): readonly KeyEvent[] {
  return [...writes].flatMap(([key, value]) => {
    const event = history.eventsOf(key).find(({ kv }) => kv.modRevision === revision);
    const done = event?.type === 'put' ? textOf(event.kv.value) : undefined;
    if (value === undefined && event === undefined && history.valueAt(key, revision - 1) === undefined)
      return [];
    if (event !== undefined && done === value) return [event];
    const wanted = value === undefined ? 'to be deleted' : `to be ${JSON.stringify(value)}`;
    const found = event === undefined ? 'was left as it was' : `became ${JSON.stringify(done ?? 'nothing')}`;
    return broken('STM-2', `${key} was ${wanted} by ${process} at revision ${revision}, and ${found}`);
  });
}

/** Where any of its values was put. */
function appliedAt(history: History, { writes }: UnsettledTransaction): number | undefined {
  for (const [key, value] of writes) {
    if (value === undefined) continue;
    const event = history.eventsOf(key).find(({ type, kv }) => type === 'put' && textOf(kv.value) === value);
    if (event !== undefined) return event.kv.modRevision;
  }
  return undefined;
}
