export {
  bytesOf,
  type CompareSubject,
  compare,
  get,
  getPrefix,
  nested,
  put,
  remove,
  removePrefix,
  textOf,
  txnOf,
  writes,
} from './build.js';
export { type Codec, jsonCodec } from './codec.js';
export { compareHolds, evaluateRange, evaluateTxn, type TxnView } from './evaluate.js';
export type * from './history.js';
export {
  checkName,
  hexRevision,
  inRange,
  Keyspace,
  keyOf,
  nameOfSegment,
  prefixEnd,
  prefixRange,
  segmentOf,
  textOfKey,
} from './keys.js';
export type * from './lease-renewer.js';
export type * from './store.js';
export type * from './types.js';
export { noLease } from './types.js';
export {
  defaultTxnLimits,
  sizeOf,
  type TxnLimits,
  txnCost,
  validateCompare,
  validateRange,
  validateTxn,
  validateWatch,
} from './validate.js';
export { WatchItems, type WatchItemsHooks } from './watch-items.js';
export { watchStart } from './watch-start.js';
