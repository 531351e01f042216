export type { GuardingCompare, GuardingWriter, TransactionGuard } from '../../guard/index.js';
export { atomically } from './atomically.js';
export type { Isolation } from './isolation.js';
export type { AtomicallyOptions } from './options.js';
export type { Committed, Entry, Transaction, TransactionRangeOptions } from './transaction.js';
