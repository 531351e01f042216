export { FencedWrites } from './fenced-writes.js';
export { fencingToken, grantsPerRevision } from './fencing-token.js';
export {
  type HandOver,
  type HandToWaiting,
  handOver,
  handToWaiting,
  wasGivenUp,
  wasHandedOver,
} from './hand-over.js';
export { type Joining, type JoinRequest, type PlaceShape, sendJoinings } from './joining.js';
export { type JoinOptions, Line, type LineOptions } from './line.js';
export { type Claimant, type LineView, viewLine } from './line-view.js';
export { Place } from './place.js';
export type { Admission, Claim, PlaceOptions, PlaceState } from './place-options.js';
export { decodePlace, encodePlace, type PlaceRecord } from './place-record.js';
export { readLine } from './read-line.js';
