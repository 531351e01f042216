/** Distributed coordination primitives on etcd. What belongs to one topic is also importable from its subpath. */
export * from './atomics/index.js';
export * from './barriers/index.js';
export * from './config/index.js';
export * from './election/index.js';
export {
  type ErrorCode,
  invalidArgument,
  isQuorateError,
  type Outcome,
  QuorateError,
  type QuorateErrorOptions,
} from './errors.js';
export * from './locks/index.js';
export * from './pubsub/index.js';
export * from './queues/index.js';
export { type Runtime, systemRuntime, type Timer, type WaitOptions } from './runtime/index.js';
export * from './session/index.js';
export * from './store/index.js';
