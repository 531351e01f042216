export { ReplicatedMap } from './replicated-map.js';
export type {
  ExpectedEntry,
  MapBatch,
  MapChange,
  MapChangesOptions,
  MapDraft,
  MapEntry,
  MapWrite,
  MapWriteOptions,
  ReplicatedMapOptions,
  SwappedEntry,
  UnreadableEntry,
  UpdatedMap,
} from './types.js';
