import type { WorkerEvent } from '../../../src/queues/index.js';
import type { ProcessContext } from '../../../src/simulator/index.js';

export function describeEvent(event: WorkerEvent<string>): string {
  switch (event.type) {
    case 'joined':
      return `has joined as ${event.worker}`;
    case 'left':
      return `has left as ${event.worker}: ${event.reason}`;
    case 'dispatching':
      return `${event.active ? 'dispatches in' : 'has ended'} term ${event.term}`;
    case 'returned':
      return `has given back ${event.id}`;
    case 'dead':
    case 'cancelled':
      return `${event.type} ${event.id}: ${event.reason}`;
    case 'error':
      return `error: ${event.error.message}`;
    default:
      return `${event.type} ${event.job.id} in generation ${event.job.generation}`;
  }
}

/** Puts it into the timeline, unless it is an error. */
export function noteEvent(context: ProcessContext, event: WorkerEvent<string>): void {
  if (event.type !== 'error') context.note(event.type);
  throwContradiction(event);
}

/** A worker's own contradictions are errors of the run; what a network does is not one. */
export function throwContradiction(event: WorkerEvent<string>): void {
  if (event.type === 'error' && event.error.code === 'internal') throw event.error;
}
