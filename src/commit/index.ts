export { openCommitStore } from './commit-store.js';
export type { CommitStats, CommitStore, CommitStoreOptions, Lane } from './types.js';
