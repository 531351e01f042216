/**
 * What may go wrong, from mild to harsh. Each lasts for its window, but for those marked as a moment.
 *
 * Of the link between a process and the members:
 * - `slow-link`: everything takes up to 300 ms longer.
 * - `lossy-link`: each request may be refused, lost, or applied with its reply lost, told or not.
 * - `late-link`: requests may arrive seconds later, long after their caller was told that nobody knows.
 * - `broken-watches`: watch streams break, again and again.
 * - `silent-watches`: watch streams say nothing, and nobody notices.
 * - `slow-watches`: events come up to 300 ms late.
 * - `lost-keep-alives`: only keep-alives of leases are lost.
 * - `cut-replies`, `cut-requests`, `cut-link`: nothing passes one way, the other way, either way.
 *
 * Of a process:
 * - `wall-step`: the wall clock is set forward or back, by a millisecond up to a minute (a moment).
 * - `stall`: its event loop is blocked for a tenth of the window, at most half a second; other threads of it go on.
 * - `pause`: it stands still; its clocks go on.
 * - `sleep`: the machine sleeps; its monotonic clock stops too.
 * - `crash`: it dies, and is started anew at the end of the window.
 *
 * Of the cluster:
 * - `compaction`: history is compacted up to a random point, now and at times within the window.
 * - `no-space`: puts are applied or not, and answered with `no-space`.
 * - `leader-change`: another member takes over (a moment).
 *
 * Of a member:
 * - `member-lag`: it applies what was committed up to a second late.
 * - `member-deaf`, `member-mute`: it hears, or is heard by, none of the other members.
 * - `member-isolated`: both.
 * - `member-crash`: it is down.
 * - `stale-leader`: if it leads, it stands still while another takes over, and afterwards acknowledges keep-alives which
 *   are worth nothing (etcd #15247). Then beliefs may overlap, whatever a client does.
 */
export const faultKinds = [
  'slow-link',
  'lossy-link',
  'late-link',
  'broken-watches',
  'silent-watches',
  'slow-watches',
  'lost-keep-alives',
  'cut-replies',
  'cut-requests',
  'cut-link',
  'wall-step',
  'stall',
  'pause',
  'sleep',
  'crash',
  'compaction',
  'no-space',
  'leader-change',
  'member-lag',
  'member-deaf',
  'member-mute',
  'member-isolated',
  'member-crash',
  'stale-leader',
] as const;

export type FaultKind = (typeof faultKinds)[number];

const lastProcessFault = faultKinds.indexOf('crash');

/** True for what befalls a process or its link, false for what befalls a member or the cluster. */
export function isProcessFault(kind: FaultKind): boolean {
  return faultKinds.indexOf(kind) <= lastProcessFault;
}

/** One thing going wrong for some time. Plain data, to be drawn, shrunk, stored and replayed. */
export interface FaultWindow {
  /** True virtual time. */
  readonly atMs: number;
  readonly durationMs: number;
  readonly kind: FaultKind;
  /** Index of the process or member that it befalls, modulo their count. */
  readonly target: number;
}
