/** Whether a recorded history, of whatever store, keeps the promises of this library. For tests and for real clusters. */
export {
  type AtomicValueCheck,
  type AtomicValueCounts,
  checkAtomicValue,
  type SeenValue,
  type ValueCall,
} from './atomic-value.js';
export {
  type BarrierCheck,
  type BarrierCounts,
  checkBarrier,
  type SeenClosing,
  type SeenOpening,
  type SeenWait,
} from './barrier.js';
export type { Standstill } from './beliefs.js';
export {
  type ChannelCheck,
  type ChannelCounts,
  checkChannel,
  type PublishCall,
} from './channel.js';
export type { ChannelSubscriber, ToldItem } from './channel-told.js';
export { type CommitsCheck, type CommitsCounts, checkCommits, type ObservedTxn } from './commits.js';
export {
  type ConditionCheck,
  type ConditionCounts,
  checkCondition,
  type EndedWait,
  type NotifyCall,
} from './condition.js';
export { type ConfigCheck, type ConfigCounts, checkConfig } from './config.js';
export type { ConfigCall } from './config-changes.js';
export {
  type ConfigFilesNote,
  checkConfigFiles,
  type FoundPair as FoundConfigPair,
  isFollowedByRun,
} from './config-files.js';
export type { GivenConfig, ToldConfig } from './config-readers.js';
export type { ReaderStandpoint } from './config-state.js';
export { type CountCall, type CounterCheck, type CounterCounts, checkCounter } from './counter.js';
export {
  type CyclicBarrierCheck,
  type CyclicBarrierCounts,
  checkCyclicBarrier,
  type ResetCall,
  type SeenAction,
  type ToldCyclicWait,
} from './cyclic-barrier.js';
export {
  checkDeadlocks,
  type DeadlockCheck,
  type DeadlockCounts,
  type ToldDeadlock,
} from './deadlock.js';
export {
  checkDoubleBarrier,
  type DoubleBarrierCheck,
  type DoubleBarrierCounts,
  type SeenEntry,
  type SeenRefusal,
  type SeenRound,
} from './double-barrier.js';
export {
  checkElection,
  type ElectionCheck,
  type ElectionCounts,
  type SeenByObserver,
  type SeenTerm,
} from './election.js';
export { History, type Life, type Replayed } from './history.js';
export { checkIds, type GivenIds, type IdsCheck, type IdsCounts } from './ids.js';
export { InvariantBroken } from './invariant-broken.js';
export { checkLatch, type LatchCheck, type LatchCounts, type SeenArrival } from './latch.js';
export {
  checkLinearizable,
  type Linearizability,
  type Linearized,
  type Operation,
  type OutOfBudget,
  type Refuted,
  type SequentialModel,
} from './linearizability.js';
export { checkLockDelay, type LockDelayCheck } from './lock-delay.js';
export {
  boundedCounterModel,
  type CounterCall,
  type CounterReply,
  counterModel,
  type FencedLockCall,
  type FencedLockReply,
  type FencedLockState,
  fencedLockModel,
  type RegisterCall,
  type RegisterReply,
  registerModel,
} from './models.js';
export {
  checkMultiLock,
  type MultiLockCheck,
  type MultiLockCounts,
  type SetGrant,
  type SetPart,
  type SharedLock,
} from './multi-lock.js';
export { checkMutex, type Grant, type MutexCheck, type MutexCounts } from './mutex.js';
export type { LeaderReport } from './observed-leaders.js';
export { checkPhaser, type PhaserCheck, type PhaserCounts, type ToldPhase } from './phaser.js';
export { checkQueue, type EnqueueCall, type QueueCheck, type QueueCounts } from './queue.js';
export {
  type BoundedCall,
  checkQueueBounds,
  type QueueBoundsCheck,
  type QueueBoundsCounts,
} from './queue-bounds.js';
export {
  checkQueueConditions,
  type QueueConditionsCheck,
  type QueueConditionsCounts,
} from './queue-conditions.js';

export { checkQueueDelays, type QueueDelaysCheck, type QueueDelaysCounts } from './queue-delays.js';
export {
  checkQueueOutcomes,
  type QueueOutcomesCheck,
  type QueueOutcomesCounts,
  type ToldCancel,
  type ToldHandler,
  type ToldWait,
} from './queue-outcomes.js';
export {
  checkQueuePriority,
  type QueuePriorityCheck,
  type QueuePriorityCounts,
} from './queue-priority.js';
export {
  checkQueueProducers,
  type LetterCall,
  type ProducerCall,
  type ProducersCheck,
  type ProducersCounts,
  type PurgeCall,
} from './queue-producers.js';
export { checkQueueRules, type QueueRulesCheck, type QueueRulesCounts } from './queue-rules.js';
export {
  checkQueueSchedules,
  type QueueSchedulesCheck,
  type QueueSchedulesCounts,
} from './queue-schedules.js';
export {
  checkReadWrite,
  type ReadWriteCheck,
  type ReadWriteCounts,
  type ReadWriteGrant,
  type SeenUpgrade,
} from './read-write.js';
export { type Recording, recordHistory } from './record-history.js';
export { checkReplica, type ReplicaCheck, type ReplicaCounts } from './replica.js';
export type { MapCall, MapCallRead, MapCallWrite } from './replica-calls.js';
export type {
  ReplicaSight,
  SeenMapBatch,
  SeenMapChange,
  SeenMapEntry,
  ToldReplica,
} from './replica-told.js';
export {
  checkSemaphore,
  type SemaphoreCheck,
  type SemaphoreCounts,
  type SemaphoreGrant,
  type SemaphoreRefusal,
} from './semaphore.js';
export { type InvariantId, invariants } from './sentences.js';
export { checkSession, type SeenSession, type SessionCheck, type SessionCounts } from './session.js';
export { checkStm, type SeenTransaction, type StmCheck, type StmCounts } from './stm.js';
export type { SeenRangeRead, SeenRead, SeenRun } from './stm-reads.js';
export type { UnsettledTransaction } from './stm-writes.js';
export {
  checkTopic,
  leftToGroup,
  type PublishedText,
  type TopicCheck,
  type TopicCounts,
} from './topic.js';
export type { HandedOut, TopicTenure } from './topic-groups.js';
export type { ReadText, TopicReader } from './topic-readers.js';
export type { ToldChange, ToldView, ValueReader, ValueWatcher } from './value-watchers.js';
export { checkWatch, type WatchCheck, type WatchCounts, type WatchReport } from './watch.js';
