export { checkGuard, commitUnder } from './commit-under.js';
export { type GuardingCompare, type GuardingWriter, Guards, type TransactionGuard } from './guards.js';
