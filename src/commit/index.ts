export { commitLimits, openCommitStore } from './commit-store.js';
export type { CommitOptions, CommitStats, CommitStore, CommitStoreOptions, Lane } from './types.js';
