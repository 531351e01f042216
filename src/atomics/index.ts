export { Counter, type CounterOptions } from './counter/counter.js';
export type { CountSwap } from './counter/number-op.js';
export type { BlockSizeOption } from './ids/block-size.js';
export { IdAllocator, type IdAllocatorOptions } from './ids/id-allocator.js';
export {
  type AtomicallyOptions,
  atomically,
  type Committed,
  type Entry,
  type GuardingCompare,
  type GuardingWriter,
  type Isolation,
  type Transaction,
  type TransactionGuard,
  type TransactionRangeOptions,
} from './stm/index.js';
export { AtomicValue } from './value/atomic-value.js';
export type {
  AtomicValueOptions,
  ChangesOptions,
  Expected,
  HistoryOptions,
  Swapped,
  Updated,
  ValueChange,
  ValueView,
  Versioned,
  WriteOptions,
} from './value/types.js';
