/** Every mutant that `npm run mutants` plants. */
import { atomicsMutants } from './atomics.js';
import { barrierMutants } from './barrier.js';
import { channelMutants } from './channel.js';
import { commitMutants } from './commit.js';
import { conditionMutants } from './condition.js';
import { configMutants } from './config.js';
import { configFilesMutants } from './config-files.js';
import { cyclicBarrierMutants } from './cyclic-barrier.js';
import { deadlockMutants } from './deadlock.js';
import { doubleBarrierMutants } from './double-barrier.js';
import { electionMutants } from './election.js';
import { latchMutants } from './latch.js';
import { lockMutants } from './locks.js';
import { multiLockMutants } from './multi-lock.js';
import type { Mutant } from './mutant.js';
import { phaserMutants } from './phaser.js';
import { queueMutants } from './queue.js';
import { queueBoundsMutants } from './queue-bounds.js';
import { queueConditionsMutants } from './queue-conditions.js';
import { queueDelaysMutants } from './queue-delays.js';
import { queueOutcomesMutants } from './queue-outcomes.js';
import { queuePriorityMutants } from './queue-priority.js';
import { queueProducersMutants } from './queue-producers.js';
import { queueRulesMutants } from './queue-rules.js';
import { queueSchedulesMutants } from './queue-schedules.js';
import { readWriteMutants } from './read-write.js';
import { replicaMutants } from './replica.js';
import { semaphoreMutants } from './semaphore.js';
import { sessionMutants } from './session.js';
import { stmMutants } from './stm.js';
import { topicMutants } from './topic.js';
import { watchMutants } from './watch.js';

export const mutants: readonly Mutant[] = [
  ...sessionMutants,
  ...watchMutants,
  ...commitMutants,
  ...lockMutants,
  ...readWriteMutants,
  ...multiLockMutants,
  ...conditionMutants,
  ...semaphoreMutants,
  ...deadlockMutants,
  ...electionMutants,
  ...cyclicBarrierMutants,
  ...phaserMutants,
  ...queueMutants,
  ...queueRulesMutants,
  ...queueSchedulesMutants,
  ...queueDelaysMutants,
  ...queueOutcomesMutants,
  ...queueProducersMutants,
  ...queuePriorityMutants,
  ...queueConditionsMutants,
  ...queueBoundsMutants,
  ...stmMutants,
  ...atomicsMutants,
  ...configMutants,
  ...configFilesMutants,
  ...barrierMutants,
  ...latchMutants,
  ...doubleBarrierMutants,
  ...topicMutants,
  ...channelMutants,
  ...replicaMutants,
];
