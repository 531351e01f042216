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
