export { type ConflatedOptions, conflated } from './conflated.js';
export {
  type Fact,
  FactFollower,
  type FactFollowerOptions,
  type FactListener,
  type FactState,
} from './fact-follower.js';
export type { HubItem, Subscription } from './shared-watch.js';
export { type SubscribeRequest, WatchHub, type WatchHubOptions } from './watch-hub.js';
