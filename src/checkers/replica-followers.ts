/** What followers of a replica were told, against what it showed: they may be told of several batches as one, and of none in silence. */
import { countUpTo } from './ascending.js';
import type { SeenMapBatch } from './replica-told.js';
import { broken } from './sentences.js';

/** Names, and the revisions of what is shown of them, and of what stands there and cannot be read. */
export interface Shown {
  readonly shown: ReadonlyMap<string, number>;
  readonly unreadable: ReadonlyMap<string, number>;
}

export interface FollowerCheck {
  readonly process: string;
  readonly batches: readonly SeenMapBatch[];
  /** What the replica showed, and could not read, as of each revision that it told of, or was loaded with, ascending. */
  readonly shownAt: readonly (Shown & { readonly revision: number })[];
  readonly isStanding: boolean;
}

/** Throws `InvariantBroken` for REPLICA-2. Answers how many batches it was not told one by one. */
export function checkFollower({ process, batches, shownAt, isStanding }: FollowerCheck): number {
  const brokenBy: (evidence: string) => never = (evidence) =>
    broken('REPLICA-2', `the replica of ${process} ${evidence}`);
  const shownUpTo = (limit: number) => countUpTo(shownAt, limit, ({ revision }) => revision);
  const shown = new Map<string, number>();
  const refused = new Map<string, number>();
  let conflated = 0;
  let at = -1;
  for (const { type, revision, changes } of batches) {
    const told = `told a follower of revision ${revision}`;
    const between = Math.max(0, shownUpTo(revision - 1) - shownUpTo(at));
    const isFirst = at < 0;
    if (revision < at || (type === 'revision' && (between > 0 || revision === at))) {
      brokenBy(`${told} after revision ${at}`);
    }
    if (type === 'reset' && !isFirst) conflated += between;
    for (const { name, previous, current, unreadable } of changes) {
      const isNothing = previous === null && current === null && unreadable === undefined;
      if (isNothing && !refused.has(name)) brokenBy(`${told} ${name}, which is no change`);
      if (unreadable === undefined) refused.delete(name);
      else refused.set(name, unreadable);
      if ((previous?.revision ?? 0) !== (shown.get(name) ?? 0)) {
        brokenBy(`${told}, and that ${name} was of ${previous?.revision} before`);
      }
      if (current === null) shown.delete(name);
      else shown.set(name, current.revision);
    }
    // The first is as of a revision at which it may have been told nothing.
    const expected = shownAt[shownUpTo(revision) - 1];
    if (expected === undefined || !isSame(shown, expected.shown)) {
      brokenBy(`${told} ${inWords(shown)}, when it showed ${inWords(expected?.shown)}`);
    }
    if (!isSame(refused, expected.unreadable)) {
      const evidence = `${told} that ${inWords(refused)} cannot be read, when it was ${inWords(expected.unreadable)}`;
      brokenBy(evidence);
    }
    at = revision;
  }
  const last = shownAt.at(-1)?.revision ?? -1;
  if (isStanding && at < last) {
    brokenBy(`told a follower nothing of revision ${last}`);
  }
  return conflated;
}

export function isSame(one: ReadonlyMap<string, number>, other: ReadonlyMap<string, number>): boolean {
  return one.size === other.size && [...one].every(([name, revision]) => other.get(name) === revision);
}

export function inWords(shown: ReadonlyMap<string, number> | undefined): string {
  return shown === undefined
    ? 'nothing'
    : `{${[...shown]
        .sort()
        .map((pair) => pair.join(' of '))
        .join(', ')}}`;
}
