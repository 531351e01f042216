export type { Claimant, LineView } from '../line/index.js';
export { Condition } from './condition.js';
export { type Deadlock, findDeadlocks } from './deadlock/find-deadlocks.js';
export type { DeadlockMember } from './deadlock/wait-graph.js';
export { type FenceStore, MemoryFenceStore, type MemoryFenceStoreOptions } from './fencing/fence-store.js';
export { FencedResources, type FencedResourcesOptions } from './fencing/fenced-resources.js';
export type { Hold } from './hold.js';
export type { MultiHold } from './multi-lock/multi-hold.js';
export { type AcquireSetOptions, MultiLock, type MultiLockOptions } from './multi-lock.js';
export type { LockEvent, LockStatus, WaitReason } from './mutex/lock-events.js';
export type { MutexOptions } from './mutex/mutex-options.js';
export { Mutex } from './mutex.js';
export type { ReadHold, ReadWriteHold, WriteHold } from './read-write/holds.js';
export type { ReadWriteLockOptions, ReadWriteWaitOptions } from './read-write/options.js';
export { ReadWriteLock } from './read-write-lock.js';
export type { SemaphoreHold } from './semaphore/semaphore-hold.js';
export type {
  AcquireOptions as SemaphoreAcquireOptions,
  SemaphoreOptions,
} from './semaphore/semaphore-options.js';
export type { SemaphoreClaimant, SemaphoreView } from './semaphore/semaphore-view.js';
export { Semaphore } from './semaphore.js';
export type { MutexWaitOptions, OwnerOptions } from './waiting/owner.js';
