/** Distributed coordination primitives on etcd. What belongs to one topic is also importable from its subpath. */
export {
  type ErrorCode,
  invalidArgument,
  isQuorateError,
  type Outcome,
  QuorateError,
  type QuorateErrorOptions,
} from './errors.js';
export { type Runtime, systemRuntime, type Timer, type WaitOptions } from './runtime/index.js';
export * from './store/index.js';
