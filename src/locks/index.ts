export { type FenceStore, MemoryFenceStore, type MemoryFenceStoreOptions } from './fence-store.js';
export { FencedResources, type FencedResourcesOptions } from './fenced-resources.js';
export type { Hold } from './hold.js';
export type { LockEvent, LockStatus, WaitReason } from './lock-events.js';
export { Mutex } from './mutex.js';
export type { MutexOptions } from './mutex-options.js';
