/**
 * The revision to ask a server for, so that a watch from `revision` on loses nothing in silence. etcd says `compacted` of a
 * watch that begins below the compacted revision, but not of one that begins at it, though compaction has taken the
 * deletions out of that. Asked for one revision more, which the reader is not told of, it says so of that too.
 */
export function watchStart(revision: number): number {
  return Math.max(1, revision - 1);
}
