/**
 * What becomes of those who wait when a member has died, or lost its session:
 * - `break`: they are told so, by an error.
 * - `wait`: they wait on, for somebody else in its place.
 * - `shrink`: they go on without it.
 */
export type DeadMembers = 'break' | 'wait' | 'shrink';

export const deadMemberPolicies: readonly DeadMembers[] = ['break', 'wait', 'shrink'];
