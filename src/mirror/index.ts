export { PrefixMirror } from './prefix-mirror.js';
export { putStamp, readStamp } from './stamp.js';
export type {
  FreshnessProof,
  MirrorBatch,
  MirrorChange,
  MirrorState,
  PrefixMirrorOptions,
  ProofAnswer,
} from './types.js';
