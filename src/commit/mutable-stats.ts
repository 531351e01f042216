import type { CommitStats } from './types.js';

/** The figures behind {@link CommitStats}, as their keepers see them. */
export type MutableStats = { -readonly [Name in keyof CommitStats]: CommitStats[Name] };

export function noStats(): MutableStats {
  return {
    groups: 0,
    members: 0,
    resent: 0,
    pastLanes: 0,
    resolvedByLane: 0,
    fenced: 0,
    split: 0,
    lanesOpened: 0,
  };
}
