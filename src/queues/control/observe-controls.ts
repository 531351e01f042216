import { stoppable } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import type { KeyValue } from '../../store/index.js';
import { conflated, type Fact, FactFollower } from '../../watch/index.js';
import { controlOf } from '../dispatch/reads.js';
import type { QueueKeys } from '../keys.js';
import type { QueueStatus } from './queue-controls.js';

/** What holds as of a document, or where there is none. */
export function statusOf(kv: KeyValue | undefined): QueueStatus {
  const { mod, control } = controlOf(kv);
  return { ...control, revision: mod };
}

/**
 * Follows the control, conflated, with a read of its own: the first status is what holds now, whatever others here know.
 * Nothing is told of a cut, and nothing is read while the watch stands silent.
 */
export function observeControls(
  { hub, store, runtime }: Client,
  keys: QueueKeys,
  signal?: AbortSignal,
): AsyncIterableIterator<QueueStatus> {
  return stoppable(signal, (end) => {
    const follower = new FactFollower({ hub, store, runtime, key: keys.control });
    return conflated({ follower, viewOf, isSame, end });
  });
}

function viewOf(fact: Fact): QueueStatus | undefined {
  if (fact.status === 'unknown') return undefined;
  return statusOf(fact.status === 'present' ? fact.kv : undefined);
}

function isSame(told: QueueStatus, status: QueueStatus): boolean {
  return told.revision === status.revision;
}
