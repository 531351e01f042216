/** Every property that `npm run test:properties` runs. */
import { barrierProperty } from './barrier.js';
import { channelProperty } from './channel.js';
import { conditionProperty } from './condition.js';
import { configProperty } from './config.js';
import { configFilesProperty } from './config-files.js';
import { counterProperty } from './counter.js';
import { cyclicBarrierProperty } from './cyclic-barrier.js';
import { deadlockProperty } from './deadlock.js';
import { doubleBarrierProperty } from './double-barrier.js';
import { electionProperty } from './election.js';
import { groupCommitProperty } from './group-commit.js';
import { idsProperty } from './ids.js';
import { lanesProperty } from './lanes.js';
import { latchProperty } from './latch.js';
import { multiLockProperty } from './multi-lock.js';
import { mutexProperty } from './mutex.js';
import { phaserProperty } from './phaser.js';
import { queueProperty } from './queue.js';
import { queueBoundsProperty } from './queue-bounds.js';
import { queueConditionsProperty } from './queue-conditions.js';
import { queueDelaysProperty } from './queue-delays.js';
import { queueOutcomesProperty } from './queue-outcomes.js';
import { queuePriorityProperty } from './queue-priority.js';
import { queueProducersProperty } from './queue-producers.js';
import { queueRulesProperty } from './queue-rules.js';
import { queueSchedulesProperty } from './queue-schedules.js';
import { readWriteProperty } from './read-write.js';
import { replicaProperty } from './replica.js';
import { semaphoreProperty } from './semaphore.js';
import { sessionProperty } from './session.js';
import { stmProperty } from './stm.js';
import type { Property } from './support/property.js';
import { topicProperty } from './topic.js';
import { toy } from './toy/property.js';
import { valueProperty } from './value.js';
import { watchHubProperty } from './watch-hub.js';

export { canary } from './toy/property.js';

export const properties: readonly Property[] = [
  toy,
  sessionProperty,
  watchHubProperty,
  lanesProperty,
  groupCommitProperty,
  mutexProperty,
  readWriteProperty,
  multiLockProperty,
  conditionProperty,
  semaphoreProperty,
  deadlockProperty,
  electionProperty,
  queueProperty,
  queueRulesProperty,
  queueSchedulesProperty,
  queueDelaysProperty,
  queueOutcomesProperty,
  queueProducersProperty,
  queuePriorityProperty,
  queueConditionsProperty,
  queueBoundsProperty,
  stmProperty,
  valueProperty,
  counterProperty,
  idsProperty,
  configProperty,
  configFilesProperty,
  barrierProperty,
  latchProperty,
  doubleBarrierProperty,
  cyclicBarrierProperty,
  phaserProperty,
  replicaProperty,
  topicProperty,
  channelProperty,
];

/** A full run is no proof with fewer. */
export const leastSimulations = 10_000;
