export { FencedWrites } from './fenced-writes.js';
export { fencingToken, grantsPerRevision } from './fencing-token.js';
export { type JoinOptions, Line } from './line.js';
export { Place, type PlaceState } from './place.js';
